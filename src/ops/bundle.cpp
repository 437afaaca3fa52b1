#include "ops/bundle.hpp"

#include "ops/create.hpp"
#include "ops/setup.hpp"
#include "store/lock.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/progress.hpp"
#include "util/strings.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace udocker::ops {

namespace {

constexpr const char* kContainer = "bundle";

json::Array texts(const std::vector<std::string>& words) { return json::Array(words.begin(), words.end()); }

std::vector<std::string> words_of(const json::Value& array) {
  std::vector<std::string> words;
  for (const auto& item : array.as_array()) words.push_back(item.as_string());
  return words;
}

// A range of a file, read by offset: several may be open on one descriptor.
class RangeInput : public archive::Input {
 public:
  RangeInput(std::shared_ptr<UniqueFd> fd, std::uint64_t offset, std::uint64_t size)
      : fd_(std::move(fd)), at_(offset), end_(offset + size), buffer_(256 << 10) {}
  std::string_view next() override {
    if (at_ == end_) return {};
    std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), end_ - at_));
    ssize_t got = ::pread(fd_->get(), buffer_.data(), want, static_cast<off_t>(at_));
    if (got < 0) throw_errno("read", "this bundle");
    if (got == 0) throw IntegrityError("this bundle is cut short: copy it again");
    at_ += static_cast<std::uint64_t>(got);
    return {buffer_.data(), static_cast<std::size_t>(got)};
  }

 private:
  std::shared_ptr<UniqueFd> fd_;
  std::uint64_t at_, end_;
  std::vector<char> buffer_;
};

// --- places -------------------------------------------------------------------------------------------------------

// Programs can be started from a file system unless it is mounted noexec.
bool may_execute(const std::string& dir) {
  struct statvfs fs {};
  return ::statvfs(dir.c_str(), &fs) != 0 || !(fs.f_flag & ST_NOEXEC);
}

bool is_private(const std::string& dir) {
  struct stat st {};
  return ::lstat(dir.c_str(), &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == ::geteuid() && !(st.st_mode & 022);
}

std::vector<std::string> places() {
  auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value && *value == '/' ? value : "");
  };
  if (std::string dir = variable("UDOCKER_BUNDLE_DIR"); !dir.empty()) return {dir};
  std::vector<std::string> out;
  if (std::string dir = variable("XDG_CACHE_HOME"); !dir.empty()) out.push_back(dir + "/udocker-bundles");
  if (std::string dir = variable("HOME"); !dir.empty()) out.push_back(dir + "/.cache/udocker-bundles");
  std::string own = cat("/udocker-bundles-", ::geteuid());
  if (std::string dir = variable("TMPDIR"); !dir.empty()) out.push_back(dir + own);
  out.push_back("/tmp" + own);
  out.push_back("/var/tmp" + own);
  return out;
}

// The store of a bundle: where it is unpacked already, else the first place where it can be.
std::string find_place(const std::string& key) {
  auto all = places();
  for (const auto& dir : all)
    if (is_private(dir) && find_link(cat(dir, "/", key, "/containers/", kContainer))) return cat(dir, "/", key);
  std::string why;
  for (const auto& dir : all) {
    try {
      make_directories(path_dirname(dir));
      make_directories(dir, 0700);
      if (!is_private(dir)) why = cat(dir, " belongs to or is writable by others");
      else if (::access(dir.c_str(), W_OK | X_OK) != 0) why = cat(dir, " is not writable");
      else if (!may_execute(dir)) why = cat(dir, " is mounted noexec");
      else return cat(dir, "/", key);
    } catch (const Error& error) {
      why = error.what();
    }
  }
  throw Error(cat("no place to unpack this bundle (", why, "): set UDOCKER_BUNDLE_DIR to a directory of yours"));
}

// --- the program that is a bundle -----------------------------------------------------------------------------------

class Bundle {
 public:
  explicit Bundle(const host::Appended& where) : fd_(std::make_shared<UniqueFd>(host::open_self())) {
    std::string text(where.size, '\0');
    RangeInput input(fd_, where.offset, where.size);
    std::size_t at = 0;
    for (auto piece = input.next(); !piece.empty(); piece = input.next()) at += piece.copy(text.data() + at, piece.size());
    key_ = sha256_hex(text).substr(0, 32);
    about_ = json::parse(text, "this bundle's description");
  }

  const json::Value& about() const { return about_; }
  const std::string& key() const { return key_; }

  // Unpacks into the store `top` unless that is done; others that come meanwhile wait.
  void unpack(const std::string& top) const {
    if (find_link(cat(top, "/containers/", kContainer))) return;
    make_directories(path_dirname(top));
    store::Lock lock = store::Lock::take(top + ".lock");
    if (find_link(cat(top, "/containers/", kContainer))) return;
    std::vector<std::string> words = {"--repo=" + top, "--quiet"};
    cli::Arguments general = cli::parse(cli::general_options(), words, {});
    cli::Arguments none;
    none.set_general(&general);
    auto level = log::level();
    store::Repository::create(directories_of(Session(none).settings()));
    Session session(none);
    log::set_level(level);
    session.repository();
    log::info(cat("unpacking ", about_["image"].as_string(), " once into ", top));
    ImageContent content{about_["image"].as_string(), about_["config"], layers()};
    std::string mode = about_["execmode"].as_string();
    bool prepared = mode.size() == 2 && (mode[0] | 32) == 'f';
    // Under another name until the mode is set up: the name says that it is ready.
    auto container = create_container(session, content, prepared ? "preparing" : kContainer);
    if (!prepared) return;
    SetupOptions setup;
    setup.container = container.id();
    setup.execmode = mode;
    setup_container(session, setup);
    session.repository().containers().set_name(container, kContainer);
    session.repository().containers().remove_name("preparing");
  }

  std::string help() const {
    std::uint64_t size = 0;
    for (const auto& layer : about_["layers"].as_array()) size += static_cast<std::uint64_t>(layer["size"].as_integer());
    return cat("This program is a bundle made by udocker ", about_["version"].as_string(), ": it runs the container image ",
               about_["image"].as_string(), " (", human_size(size), ")\nwithout installation, privileges or network. Its arguments go to the container's command.\n\n",
               "  --udocker-help           print this\n"
               "  --udocker-extract[=DIR]  unpack only (into DIR), print where the files are\n"
               "  --udocker-clean          remove what was unpacked\n\n"
               "  UDOCKER_BUNDLE_OPTIONS   options for `udocker run`, as \"-v /data:/mnt --user=root\"; now in force: ",
               join(words_of(about_["options"]), " "), "\n",
               "  UDOCKER_BUNDLE_DIR       where to unpack (~/.cache/udocker-bundles, else a directory in /tmp)\n"
               "  UDOCKER_DEFAULT_EXECUTION_MODE  the execution mode (",
               about_["execmode"].as_string(), ")");
  }

  std::vector<std::string> run_words(const std::string& top, const std::vector<std::string>& arguments) const {
    std::vector<std::string> words = {"--allow-root", "--repo=" + top};
    const char* level = std::getenv("UDOCKER_LOGLEVEL");
    if (!level || !*level) words.push_back("--quiet");
    words.insert(words.end(), {"run", "--nobanner"});
    const char* mode = std::getenv("UDOCKER_DEFAULT_EXECUTION_MODE");
    if (!mode || !*mode) words.push_back("--execmode=" + about_["execmode"].as_string());
    auto add = [&](const std::vector<std::string>& more) { words.insert(words.end(), more.begin(), more.end()); };
    add(words_of(about_["options"]));
    if (const char* options = std::getenv("UDOCKER_BUNDLE_OPTIONS")) add(split_words(options));
    words.push_back(kContainer);
    add(words_of(about_["command"]));
    add(arguments);
    return words;
  }

 private:
  std::vector<archive::Layer> layers() const {
    std::vector<archive::Layer> out;
    for (const auto& layer : about_["layers"].as_array()) {
      auto offset = static_cast<std::uint64_t>(layer["offset"].as_integer()), size = static_cast<std::uint64_t>(layer["size"].as_integer());
      out.push_back({layer["digest"].as_string(), [fd = fd_, offset, size] { return std::make_unique<RangeInput>(fd, offset, size); },
                     layer["digest"].as_string(), layer["diff_id"].as_string()});
    }
    return out;
  }

  std::shared_ptr<UniqueFd> fd_;
  json::Value about_;
  std::string key_;
};

}  // namespace

void make_bundle(Session& session, const store::ImageName& name, const std::string& output, const BundleOptions& options) {
  const auto& repository = session.repository();
  auto image = repository.images().find(name);
  if (!image) throw Error(cat("no such image: ", name.text()));
  ImageContent content = load_image_content(repository, *image);
  std::string program = host::marked_program({});
  json::Value about;
  about.at("image") = content.image;
  about.at("config") = content.config;
  about.at("version") = UDOCKER_VERSION;
  about.at("options") = texts(options.run_options);
  about.at("command") = texts(options.command);
  about.at("execmode") = options.execmode;
  about.at("layers") = json::Array();
  AtomicFile file(output, 0777);
  Progress progress(cat("writing ", output));
  std::uint64_t at = program.size();
  if (::lseek(file.fd(), static_cast<off_t>(at), SEEK_SET) < 0) throw_errno("write", output);
  for (const auto& layer : content.layers) {
    auto input = layer.open();
    Hasher hasher;
    std::uint64_t size = 0;
    for (auto piece = input->next(); !piece.empty(); piece = input->next()) {
      hasher.update(piece);
      file.write(piece);
      progress.add(piece.size());
      size += piece.size();
    }
    std::string digest = "sha256:" + hasher.finish_hex();
    if (layer.digest.starts_with("sha256:") && layer.digest != digest)
      throw IntegrityError(cat("layer in the local repository is damaged: ", layer.digest, ": pull the image again"));
    about.at("layers").push_back(json::Object{{"digest", digest}, {"diff_id", layer.diff_id}, {"offset", static_cast<std::int64_t>(at)},
                                              {"size", static_cast<std::int64_t>(size)}});
    at += size;
  }
  std::string text = json::to_line(about);
  file.write(text);
  if (::lseek(file.fd(), 0, SEEK_SET) < 0) throw_errno("write", output);
  file.write(host::marked_program({at, text.size()}));
  file.commit();
}

std::optional<std::vector<std::string>> bundle_words(const host::Appended& where, const std::vector<std::string>& arguments) {
  Bundle bundle(where);
  std::string first = arguments.empty() ? "" : arguments[0];
  if (first == "--udocker-help") return log::output(bundle.help()), std::nullopt;
  if (first == "--udocker-clean") {
    for (const auto& dir : places())
      if (is_private(dir)) remove_tree(cat(dir, "/", bundle.key()));
    return std::nullopt;
  }
  // The store is the bundle's own whatever the user's settings say.
  for (const char* name : {"UDOCKER_DIR", "UDOCKER_REPOS", "UDOCKER_LAYERS", "UDOCKER_CONTAINERS", "UDOCKER_BIN", "UDOCKER_LIB", "UDOCKER_DOC"})
    ::unsetenv(name);
  bool extracts = first == "--udocker-extract" || first.starts_with("--udocker-extract=");
  std::string into = extracts && first.size() > 17 ? absolute_path(first.substr(18)) : "";
  std::string top = !into.empty() ? into : find_place(bundle.key());
  bundle.unpack(top);
  if (!extracts) return bundle.run_words(top, arguments);
  log::output(cat(real_path(cat(top, "/containers/", kContainer)), "/ROOT"));
  return std::nullopt;
}

}  // namespace udocker::ops
