// udocker images: list the images of the local repository.
#include "cli/applet.hpp"
#include "ops/listing.hpp"
#include "ops/session.hpp"
#include "util/log.hpp"

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {
    {"-l", "", "show the files of each image too"},
    {"-p", "", "show the platform of each image"},
    {"-q --quiet", "", "print the ids only"},
    {"--format", "TEMPLATE", "print rows as '{{.Name}}\\t{{.Size}}', 'table {{.Name}}...' or json say"},
    {"--json", "", "print one JSON list"},
    {"--no-trunc", "", "do not shorten ids"},
    {"-a --all", "", ""},
};

int run(const cli::Arguments& args) {
  args.at_most(0);
  ops::Session session(args);
  if (args.has("json")) {
    log::output(json::to_pretty(ops::images_json(session)));
    return 0;
  }
  std::string format = args.has("quiet") ? "{{.ID}}" : args.value_or("format", "");
  if (!format.empty()) {
    for (const auto& line : ops::format_images(session, format, args.has("no-trunc") ? ops::Ids::whole : ops::Ids::shortened)) log::output(line);
    return 0;
  }
  auto detail = args.has("l") ? ops::ImageDetail::files : args.has("p") ? ops::ImageDetail::platform : ops::ImageDetail::name;
  for (const auto& line : ops::image_lines(session, detail)) log::output(line);
  return 0;
}

}  // namespace

extern const cli::Applet applet_images{"images", "images [-l] [-p] [-q] [--format=TEMPLATE] [--json]", "list the images of the local repository", kOptions, run,
                                       "  udocker images\n  udocker images -l\n"
                                       "  udocker images --format 'table {{.Name}}\\t{{.Size}}\\t{{.CreatedSince}}'\n\n"
                                       "fields: .Name .Repository .Tag .ID .CreatedAt .CreatedSince .Size .Platform .Protected\n        .Directory\n"};

}  // namespace udocker
