#include "ops/listing.hpp"

#include "host/disk_usage.hpp"
#include "oci/run_config.hpp"
#include "ops/mode.hpp"
#include "ops/session.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <ctime>

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
  if (::access(cat(root, "/.").c_str(), W_OK) == 0) return "W";
  if (::lstat(root.c_str(), &st) != 0) return "N";
  if (!S_ISDIR(st.st_mode) && !is_directory(root)) return "D";
  return "R";
}

std::string mode_text(Session& session, const store::Container& container) {
  if (auto mode = container.execmode()) return *mode;
  return std::string(engine::mode_name(default_mode(session.settings())));
}

// A container with its names: those of all containers are read once.
struct Listed {
  store::Container container;
  std::vector<std::string> names;
};

std::vector<Listed> listed_containers(Session& session) {
  const auto& containers = session.repository().containers();
  std::vector<Listed> out;
  for (auto& container : containers.list()) out.push_back({std::move(container), {}});
  for (auto& [id, name] : containers.names()) {
    auto at = std::lower_bound(out.begin(), out.end(), id, [](const Listed& one, const std::string& key) { return one.container.id() < key; });
    if (at != out.end() && at->container.id() == id) at->names.push_back(std::move(name));
  }
  return out;
}

std::string name_list(const std::vector<std::string>& names) {
  std::vector<std::string> quoted;
  for (const auto& name : names) quoted.push_back(cat("'", name, "'"));
  return quoted.empty() ? "" : cat("[", join(quoted, ", "), "]");
}

std::uint64_t stored_size(const store::Image& image) {
  std::uint64_t size = 0;
  for (const auto& link : image.links()) size += size_of(cat(image.directory(), "/", link));
  return size;
}

std::string time_text(std::int64_t time) {
  if (time <= 0) return "";
  char text[32];
  std::time_t value = time;
  tm parts{};
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S +0000 UTC", ::gmtime_r(&value, &parts)));
}

std::string ago(std::int64_t time) { return time <= 0 ? "" : cat(cli::age_text(static_cast<long>(std::time(nullptr) - time)), " ago"); }

json::Value config_of(const store::Image& image) {
  try {
    return image.config();
  } catch (const Error&) {  // listed all the same
    return {};
  }
}

std::int64_t created(const store::Image& image) { return cli::parse_time(config_of(image)["created"].as_string()); }

// When the container was made: its image's name is written then and never again.
std::int64_t created(const store::Container& container) {
  struct stat st;
  return ::stat(container.path("imagerepo.name").c_str(), &st) == 0 ? st.st_mtime : 0;
}

std::string command_text(const store::Container& container) {
  oci::RunConfig config = oci::parse_run_config(container.metadata().value_or(json::Value()));
  std::vector<std::string> words = config.entrypoint;
  words.insert(words.end(), config.cmd.begin(), config.cmd.end());
  return join(words, " ");
}

// The configuration's digest: what docker calls the id of an image.
std::string image_id(const store::Image& image, Ids ids) {
  std::string blob;
  try {
    blob = image.config_blob();
  } catch (const Error&) {
    return "";
  }
  if (ids == Ids::whole) return blob;
  return blob.substr(blob.find(':') + 1).substr(0, 12);
}

constexpr cli::Field kImageFields[] = {
    {"Name", "NAME"},           {"Repository", "REPOSITORY"}, {"Tag", "TAG"},           {"ID", "IMAGE ID"},
    {"CreatedAt", "CREATED AT"}, {"CreatedSince", "CREATED"},  {"Size", "SIZE"},         {"Platform", "PLATFORM"},
    {"Protected", "PROTECTED"},  {"Directory", "DIRECTORY"}};

std::string image_cell(const store::Image& image, std::size_t field, Ids ids) {
  switch (field) {
    case 0: return image.name().text();
    case 1: return image.name().repository;
    case 2: return image.name().tag;
    case 3: return image_id(image, ids);
    case 4: return time_text(created(image));
    case 5: return ago(created(image));
    case 6: return human_size(stored_size(image));
    case 7: return image.platform();
    case 8: return image.is_protected() ? "true" : "false";
    default: return image.directory();
  }
}

constexpr cli::Field kContainerFields[] = {
    {"ID", "CONTAINER ID"}, {"Names", "NAMES"},       {"Image", "IMAGE"},        {"Command", "COMMAND"},
    {"CreatedAt", "CREATED AT"}, {"RunningFor", "CREATED"}, {"Size", "SIZE"},     {"Mode", "MODE"},
    {"Platform", "PLATFORM"}, {"Protected", "PROTECTED"}, {"Access", "ACCESS"},  {"Root", "ROOT"}};

std::string container_cell(Session& session, const Listed& one, std::size_t field) {
  const store::Container& container = one.container;
  switch (field) {
    case 0: return container.id();
    case 1: return join(one.names, ",");
    case 2: return container.image();
    case 3: return command_text(container);
    case 4: return time_text(created(container));
    case 5: return ago(created(container));
    case 6: return human_size(host::disk_usage(container.root()));
    case 7: return mode_text(session, container);
    case 8: return container.platform();
    case 9: return container.is_protected() ? "true" : "false";
    case 10: return access_mark(container);
    default: return container.root();
  }
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
    auto size = static_cast<std::int64_t>(stored_size(image));
    out.push_back(json::Object{{"name", image.name().text()}, {"repository", image.name().repository}, {"tag", image.name().tag},
                               {"id", image_id(image, Ids::whole)}, {"created", config_of(image)["created"]},
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
  for (const auto& [container, names] : listed_containers(session)) {
    std::string size = columns.size ? cat(host::disk_usage(container.root()) / kMegabyte) : "";
    row(container.id(), container.is_protected() ? "P" : ".", access_mark(container),
        columns.mode ? pad(mode_text(session, container), 2, 2) + " " : "",
        pad(size, 5, 5), pad(columns.platform ? container.platform() : "", -18, 18), pad(name_list(names), -18, 100),
        pad(container.image(), -20, 100));
  }
  return lines;
}

json::Value containers_json(Session& session, const ContainerColumns& columns) {
  json::Value out = json::Array{};
  for (const auto& [container, list] : listed_containers(session)) {
    json::Array names;
    for (const auto& name : list) names.push_back(name);
    json::Object entry{{"id", container.id()}, {"names", names}, {"image", container.image()}, {"created", created(container)},
                       {"mode", mode_text(session, container)}, {"protected", container.is_protected()},
                       {"platform", container.platform()}, {"root", container.root()}};
    if (columns.size) entry["size"] = static_cast<std::int64_t>(host::disk_usage(container.root()));
    out.push_back(std::move(entry));
  }
  return out;
}

std::span<const cli::Field> image_fields() { return kImageFields; }
std::span<const cli::Field> container_fields() { return kContainerFields; }

std::vector<std::string> format_images(Session& session, const std::string& text, Ids ids) {
  cli::RowFormat format(text, kImageFields);
  auto images = session.repository().images().list();
  std::vector<cli::CellOf> rows;
  for (const auto& image : images) rows.push_back([&image, ids](std::size_t field) { return image_cell(image, field, ids); });
  return format.lines(rows);
}

std::vector<std::string> format_containers(Session& session, const std::string& text) {
  cli::RowFormat format(text, kContainerFields);
  auto all = listed_containers(session);
  std::vector<cli::CellOf> rows;
  for (const auto& one : all) rows.push_back([&](std::size_t field) { return container_cell(session, one, field); });
  return format.lines(rows);
}

}  // namespace udocker::ops
