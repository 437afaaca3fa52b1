// udocker manifest inspect: show an image's manifest or index as its registry has it.
#include "cli/applet.hpp"
#include "ops/registry_access.hpp"
#include "ops/settings_of.hpp"
#include "registry/resolve.hpp"
#include "util/error.hpp"
#include "util/log.hpp"
#include "util/strings.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"--index", "URL", "accepted; manifests come from the registry"},
    {"--registry", "URL", "registry to ask instead of the one in the image's name"},
    {"--httpproxy", "URL", "proxy: http, https, socks4[a] or socks5[h]://[user:password@]host:port"},
    {"--platform", "OS/ARCH", "of an index, show the manifest for this platform"},
};

int run(const cli::Arguments& args) {
  const std::string& action = args.word(0, "what to do: inspect");
  if (action != "inspect") throw UsageError(cat("manifest does 'inspect' only, not '", printable(action), "'"));
  auto ref = oci::parse_image_ref(args.word(1, "image:tag or repository/image:tag"));
  args.at_most(2);
  ops::RegistryOptions options{args.value_or("index", ""), args.value_or("registry", ""), args.value_or("httpproxy", ""), args.value_or("platform", "")};
  auto platform = ops::wanted_platform(options);
  ops::RegistryAccess access(ops::settings_of(args), ref, options);
  json::Value document{json::Object{}};
  try {
    document = options.platform.empty() ? access.remote().fetch_manifest(access.reference()).value
                                        : registry::resolve(access.remote(), access.reference(), platform).document.value;
  } catch (const NetworkError& error) {
    if (error.status() != 0) throw;
    log::warning(error.what());  // a registry out of reach: `{}` and success, as the Python tool has it
  }
  log::output(json::to_pretty(document));
  return 0;
}

}  // namespace

extern const cli::Applet applet_manifest{"manifest",
                                         "manifest [options] inspect <repo/image:tag>",
                                         "show an image's manifest or index as its registry has it",
                                         kOptions,
                                         run,
                                         "  udocker manifest inspect debian:12\n  udocker manifest --platform=linux/arm64 inspect debian:12\n"};

}  // namespace udocker
