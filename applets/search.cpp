// udocker search: find repositories at a registry, or list the tags of one.
#include "cli/applet.hpp"
#include "ops/search.hpp"
#include "ops/settings_of.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"-a --all", "", "do not stop after each page"},
    {"--no-trunc", "", "do not cut long texts"},
    {"--list-tags", "", "list the tags of a repository instead"},
    {"--index", "URL", "index to ask (default: Docker Hub's)"},
    {"--registry", "URL", "registry to ask"},
    {"--httpproxy", "URL", "proxy: http, https, socks4[a] or socks5[h]://[user:password@]host:port"},
};

int run(const cli::Arguments& args) {
  args.at_most(1);
  std::string expression = args.words().empty() ? "" : args.word(0, "expression");
  ops::SearchOptions options;
  options.place = {args.value_or("index", ""), args.value_or("registry", ""), args.value_or("httpproxy", ""), ""};
  options.all_pages = args.has("all");
  options.whole_text = args.has("no-trunc");
  auto settings = ops::settings_of(args);
  if (args.has("list-tags")) ops::list_tags(settings, args.word(0, "image or repository/image"), options.place);
  else ops::search(settings, expression, options);
  return 0;
}

}  // namespace

extern const cli::Applet applet_search{"search",
                                       "search [options] [expression]",
                                       "find repositories at a registry",
                                       kOptions,
                                       run,
                                       "  udocker search busybox\n  udocker search quay.io/fedora\n  udocker search --list-tags debian\n"};

}  // namespace udocker
