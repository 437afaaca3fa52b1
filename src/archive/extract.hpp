// Applying image layers (and plain tar files) to a directory: OCI image-spec layer.md, compatibility spec section 5.
#pragma once
#include "archive/stream.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace udocker::archive {

struct Layer {
  std::string name;                              // for messages
  std::function<std::unique_ptr<Input>()> open;  // the stored bytes, compressed or not
  std::string digest;                            // of the stored bytes, "sha256:…"; "" is not checked
  std::string diff_id;                           // of the tar inside; "" is not checked
  std::uint64_t stored = 0;                      // how many bytes `open` gives, where it is known
};

struct Limits {
  std::uint64_t bytes = 0;  // of all files unpacked; 0 is no limit, here and below
  std::uint64_t entries = 0;
};
inline constexpr const char* kLimitAdvice = "UDOCKER_MAX_UNPACKED_SIZE=BYTES or the setting max_unpacked_size allows more, 0 any";

struct ApplyResult {
  std::uint64_t entries = 0, bytes = 0, skipped = 0;
};

struct ApplyOptions {
  Limits limits;
  std::string owners;  // path of the side store for owners, modes and devices; "" keeps none
  enum class Whiteouts { apply, keep } whiteouts = Whiteouts::apply;  // keep: a plain tar, names mean nothing
  std::function<void(const ApplyResult&)> tick;  // called now and then while working, with what is done so far
};

// Builds in the existing directory `root` (which should be empty) what the layers, lowest first, describe together.
// Nothing outside `root` is touched whatever the layers say. What an upper layer replaces or hides is not written.
// Files belong to the caller, who can read and enter everything; the true owners, modes and devices go to the side
// store. Throws Error (IntegrityError for a wrong digest or a broken archive, SystemError); `root` then holds a part.
ApplyResult apply_layers(const std::string& root, const std::vector<Layer>& layers, const ApplyOptions& options = {});

// A layer that is a file on disk.
Layer file_layer(const std::string& path, std::string name, std::string digest = {}, std::string diff_id = {});

}  // namespace udocker::archive
