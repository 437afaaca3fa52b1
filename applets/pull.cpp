// udocker pull: fetch an image from a registry.
#include "cli/applet.hpp"
#include "ops/pull.hpp"
#include "ops/session.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"--index", "URL", "accepted; pulling needs the registry only"},
    {"--registry", "URL", "registry to ask instead of the one in the image's name"},
    {"--httpproxy", "URL", "proxy: http, https, socks4[a] or socks5[h]://[user:password@]host:port"},
    {"--platform", "OS/ARCH", "os/architecture[/variant] (default: this machine's)"},
};

int run(const cli::Arguments& args) {
  auto ref = oci::parse_image_ref(args.word(0, "image:tag or repository/image:tag"));
  args.at_most(1);
  ops::RegistryOptions options{args.value_or("index", ""), args.value_or("registry", ""), args.value_or("httpproxy", ""), args.value_or("platform", "")};
  ops::Session session(args);
  ops::pull_image(session, ref, options);
  return 0;
}

}  // namespace

extern const cli::Applet applet_pull{"pull",
                                     "pull [options] <repo/image:tag>",
                                     "fetch an image from a registry",
                                     kOptions,
                                     run,
                                     "  udocker pull busybox\n  udocker pull quay.io/fedora/fedora:latest\n"
                                     "  udocker pull --platform=linux/arm64 debian:12\n"};

}  // namespace udocker
