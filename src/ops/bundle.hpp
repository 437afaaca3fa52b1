// Bundles: one executable that holds this program and an image. The layers lie behind the program as they are in the
// store, a description (JSON) behind them; host/appended.hpp says where it is.
#pragma once
#include "host/appended.hpp"
#include "ops/session.hpp"
#include "store/images.hpp"

#include <optional>
#include <string>
#include <vector>

namespace udocker::ops {

struct BundleOptions {
  std::vector<std::string> run_options;  // words for `run`, before the container
  std::vector<std::string> command;      // put before the bundle's own arguments; empty: the image's
  std::string execmode = "auto";
};

// Writes the executable `output`, replacing a file when all is written. Throws Error when there is no such image.
void make_bundle(Session& session, const store::ImageName& image, const std::string& output, const BundleOptions& options);

// For the program that is a bundle: the words of the `run` command that its arguments ask for, with the container
// unpacked where it was not yet (once, also when many start together). Nothing when the arguments asked for something
// that is done already (--udocker-help, --udocker-extract, --udocker-clean).
std::optional<std::vector<std::string>> bundle_words(const host::Appended& where, const std::vector<std::string>& arguments);

}  // namespace udocker::ops
