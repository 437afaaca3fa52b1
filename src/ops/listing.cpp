#include "ops/listing.hpp"

#include "host/disk_usage.hpp"
#include "ops/mode.hpp"
#include "ops/session.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr std::uint64_t kMegabyte = 1 << 20;

std::uint64_t size_of(const std::string& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

// W writable, R not writable, N no ROOT, D ROOT is not a directory.
const char* access_mark(const store::Container& container) {
  struct stat st;
  std::string root = container.root();
  if (::lstat(root.c_str(), &st) != 0) return "N";
  if (!is_directory(root)) return "D";
  return ::access(root.c_str(), W_OK) == 0 ? "W" : "R";
}

std::string mode_text(Session& session, const store::Container& container) {
  if (auto mode = container.execmode()) return *mode;
  return std::string(engine::mode_name(default_mode(session.settings())));
}

std::string name_list(const store::Container& container) {
  std::vector<std::string> quoted;
  for (const auto& name : container.names()) quoted.push_back(cat("'", name, "'"));
  return quoted.empty() ? "" : cat("[", join(quoted, ", "), "]");
}

}  // namespace

std::vector<std::string> image_lines(Session& session, ImageDetail detail) {
  std::vector<std::string> lines;
  if (log::enabled(log::Level::info)) lines.push_back("REPOSITORY");
  for (const auto& image : session.repository().images().list()) {
    const char* mark = image.is_protected() ? "P" : ".";
    std::string name = image.name().text();
    if (detail == ImageDetail::platform) {
      lines.push_back(cat(pad(image.platform(), -18, 18), " ", mark, " ", name));
      continue;
    }
    lines.push_back(cat(name, "    ", mark));
    if (detail != ImageDetail::files) continue;
    lines.push_back(cat(" ", image.directory()));
    for (const auto& link : image.links())
      lines.push_back(cat("    /", link, " (", size_of(cat(image.directory(), "/", link)) / kMegabyte, " MB)"));
  }
  return lines;
}

json::Value images_json(Session& session) {
  json::Value out = json::Array{};
  for (const auto& image : session.repository().images().list()) {
    std::int64_t size = 0;
    for (const auto& link : image.links()) size += static_cast<std::int64_t>(size_of(cat(image.directory(), "/", link)));
    out.push_back(json::Object{{"name", image.name().text()}, {"repository", image.name().repository}, {"tag", image.name().tag},
                               {"platform", image.platform()}, {"protected", image.is_protected()},
                               {"directory", image.directory()}, {"size", size}});
  }
  return out;
}

std::vector<std::string> container_lines(Session& session, const ContainerColumns& columns) {
  std::vector<std::string> lines;
  auto row = [&](const std::string& id, const char* mark, const char* access, const std::string& mode, const std::string& size,
                 const std::string& platform, const std::string& names, const std::string& image) {
    std::string line = cat(pad(id, -36, 36), " ", mark, " ", access, " ");
    if (columns.mode) line += cat(mode, " ");
    if (columns.size) line += cat(size, " ");
    if (columns.platform) line += cat(platform, " ");
    lines.push_back(line + cat(names, " ", image));
  };
  if (log::enabled(log::Level::message))
    row("CONTAINER ID", "P", "M", "MOD", "SIZE ", pad("PLATFORM", -18), pad("NAMES", -18), pad("IMAGE", -20, 20));
  for (const auto& container : session.repository().containers().list()) {
    std::string size = columns.size ? cat(host::disk_usage(container.root()) / kMegabyte) : "";
    row(container.id(), container.is_protected() ? "P" : ".", access_mark(container), pad(mode_text(session, container), 2, 2) + " ",
        pad(size, 5, 5), pad(columns.platform ? container.platform() : "", -18, 18), pad(name_list(container), -18, 100),
        pad(container.image(), -20, 100));
  }
  return lines;
}

json::Value containers_json(Session& session, const ContainerColumns& columns) {
  json::Value out = json::Array{};
  for (const auto& container : session.repository().containers().list()) {
    json::Array names;
    for (const auto& name : container.names()) names.push_back(name);
    json::Object entry{{"id", container.id()}, {"names", names}, {"image", container.image()},
                       {"mode", mode_text(session, container)}, {"protected", container.is_protected()},
                       {"platform", container.platform()}, {"root", container.root()}};
    if (columns.size) entry["size"] = static_cast<std::int64_t>(host::disk_usage(container.root()));
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace udocker::ops
