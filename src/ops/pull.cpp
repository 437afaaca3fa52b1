#include "ops/pull.hpp"

#include "ops/pull_display.hpp"
#include "ops/session.hpp"
#include "registry/resolve.hpp"
#include "util/error.hpp"
#include "util/file.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"
#include "util/team.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <mutex>

namespace udocker::ops {

namespace {

constexpr std::uint64_t kCheapToCheck = 4u << 20;
constexpr std::size_t kWriteSize = 512 * 1024, kLargestPiece = 64 * 1024;

// libcurl hands out small pieces: they are gathered, so that the file sees large writes.
class StoreSink : public registry::BlobSink {
 public:
  StoreSink(store::BlobWriter& writer, PullDisplay& display, std::size_t line) : writer_(writer), display_(display), line_(line) {
    held_.reserve(kWriteSize);
  }
  std::uint64_t offset() override {
    flush();
    return writer_.offset();
  }
  void restart() override {
    held_.clear();
    writer_.restart();
  }
  void append(std::string_view bytes) override {
    held_ += bytes;
    if (held_.size() + kLargestPiece > kWriteSize) flush();
  }
  void commit() override {
    flush();
    writer_.commit();
  }

 private:
  void flush() {
    std::string bytes;
    bytes.swap(held_);  // what cannot be written is not held any more
    writer_.append(bytes);
    display_.moved_to(line_, writer_.offset());
    bytes.clear();
    held_.swap(bytes);
  }

  store::BlobWriter& writer_;
  PullDisplay& display_;
  std::size_t line_;
  std::string held_;
};

// All blobs of one image: several threads take them from one list; the first failure stops the others.
class Download {
 public:
  Download(const store::Blobs& blobs, registry::Remote& remote, std::vector<oci::Descriptor> wanted)
      : blobs_(blobs), remote_(remote), wanted_(std::move(wanted)), display_(wanted_.size()) {}

  void run(int parallel) {
    Team team;
    int count = std::clamp<int>(parallel, 1, static_cast<int>(std::max<std::size_t>(1, wanted_.size())));
    team.start_many(static_cast<unsigned>(count - 1), [this] { work(); });
    work();
    team.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work() {
    for (std::size_t i; !stop_ && (i = next_++) < wanted_.size();) {
      try {
        fetch(wanted_[i]);
      } catch (...) {
        std::lock_guard lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
        stop_ = true;
      }
    }
  }

  void fetch(const oci::Descriptor& blob) {
    const std::string& digest = blob.digest.text();
    auto size = blob.size_known ? std::optional(blob.size) : std::nullopt;
    if (is_whole(blob)) return display_.end(display_.begin(digest, size, size.value_or(0)));
    store::BlobWriter writer = blobs_.write(digest, size);
    std::size_t line = display_.begin(digest, size, writer.offset());
    if (!writer.complete()) transfer(blob, writer, line);
    display_.end(line);
  }

  // What has arrived is kept for the next pull, except on a full disk: there it would be in everybody's way.
  void transfer(const oci::Descriptor& blob, store::BlobWriter& writer, std::size_t line) {
    StoreSink sink(writer, display_, line);
    try {
      remote_.fetch_blob(blob, sink, &stop_);
    } catch (const Error& error) {
      auto* system = dynamic_cast<const SystemError*>(&error);
      if (system && (system->errno_value() == ENOSPC || system->errno_value() == EDQUOT)) disk_full_ = true;
      if (disk_full_) sink.restart();
      throw;
    }
  }

  // Is it in the store already? What has the wrong size (or, where that is quickly seen, digest) is thrown away.
  bool is_whole(const oci::Descriptor& blob) const {
    const std::string& digest = blob.digest.text();
    auto have = blobs_.size(digest);
    if (!have) return false;
    bool good = (!blob.size_known || *have == blob.size) && (*have > kCheapToCheck || blobs_.verify(digest));
    if (good) return true;
    log::warning(cat("blob in the local repository is damaged, fetching it again: ", digest));
    remove_file(blobs_.path(digest));
    return false;
  }

  const store::Blobs& blobs_;
  registry::Remote& remote_;
  std::vector<oci::Descriptor> wanted_;
  PullDisplay display_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> stop_{false}, disk_full_{false};
  std::mutex mutex_;
  std::exception_ptr failure_;
};

// Each digest once: the configuration, then the layers from the top down, as the Python tool does.
std::vector<oci::Descriptor> blobs_of(const oci::Manifest& manifest) {
  std::vector<oci::Descriptor> out;
  auto add = [&](const oci::Descriptor& blob) {
    auto same = [&](const oci::Descriptor& other) { return other.digest == blob.digest; };
    if (!blob.digest.empty() && std::none_of(out.begin(), out.end(), same)) out.push_back(blob);
  };
  add(manifest.config);
  for (auto layer = manifest.layers.rbegin(); layer != manifest.layers.rend(); ++layer) add(*layer);
  return out;
}

void warn_of_platform(const store::Blobs& blobs, const oci::Manifest& manifest, const oci::Platform& wanted) {
  if (manifest.config.digest.empty() || wanted.architecture.empty()) return;
  json::Value config = json::parse(load_file(blobs.path(manifest.config.digest.text())), "image configuration");
  oci::Platform have{config["os"].as_string(), config["architecture"].as_string(), config["variant"].as_string()};
  if (have.architecture.empty()) return;
  for (const auto& pattern : oci::acceptable_platforms(wanted))
    if (oci::matches(pattern, have)) return;
  log::warning(cat("image is for platform ", printable(have.text()), ", not for ", wanted.text()));
}

void pull(Session& session, const oci::ImageRef& ref, const RegistryOptions& options) {
  oci::Platform wanted = wanted_platform(options);
  RegistryAccess access(session.settings(), ref, options);
  store::Repository& repository = session.repository();
  registry::Resolved image = registry::resolve(access.remote(), access.reference(), wanted);
  if (!image.manifest.is_image())
    throw Error(cat(ref.text(), " is not an image but an artifact of type ", printable(image.manifest.artifact_type)));
  std::vector<oci::Descriptor> blobs = blobs_of(image.manifest);
  std::vector<std::string> names;
  for (const auto& blob : blobs) names.push_back(blob.digest.text());
  store::Pins pins = repository.blobs().pin(names);
  Download(repository.blobs(), access.remote(), std::move(blobs)).run(session.settings().download_parallel);
  warn_of_platform(repository.blobs(), image.manifest, wanted);
  repository.images().put_v2({ref.repository, ref.local_tag()}, image.manifest.document);
}

}  // namespace

void pull_image(Session& session, const oci::ImageRef& ref, const RegistryOptions& options) {
  try {
    pull(session, ref, options);
  } catch (UsageError&) {
    throw;
  } catch (Error& error) {
    error.add_context("no files downloaded");
    throw;
  }
}

void pull_image(Session& session, const std::string& image, const PullOptions& options) {
  pull_image(session, oci::parse_image_ref(image), options);
}

}  // namespace udocker::ops
