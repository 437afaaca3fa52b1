// udocker doctor: what this host allows, which modes work here, and what to ask the administrator for.
#include "cli/applet.hpp"
#include "engine/auto_mode.hpp"
#include "ops/settings_of.hpp"
#include "util/json.hpp"
#include "util/log.hpp"
#include "util/process.hpp"
#include "util/strings.hpp"

#include <cstdlib>

namespace udocker {
namespace {

constexpr cli::Option kOptions[] = {{"--json", "", "print one JSON object"}};

bool apptainer_installed() {
  const char* path = std::getenv("PATH");
  return path && (find_program("apptainer", path) || find_program("singularity", path));
}

void print_json(const std::vector<host::Probe>& probes, const std::vector<engine::ModeReport>& modes) {
  json::Value out;
  for (const auto& probe : probes)
    out.at("probes").push_back(json::Object{{"name", std::string(host::ability_name(probe.ability))}, {"works", probe.works}, {"detail", probe.detail}, {"advice", probe.works ? "" : host::advice(probe.ability)}});
  for (const auto& report : modes)
    out.at("modes").push_back(json::Object{{"mode", engine::mode_name(report.mode)}, {"works", report.works}, {"lacks", report.lacks}, {"note", report.note}});
  out.at("auto") = engine::mode_name(engine::best_mode(modes));
  log::output(json::to_pretty(out));
}

void print_text(const std::vector<host::Probe>& probes, const std::vector<engine::ModeReport>& modes) {
  log::output("What this host allows an ordinary user:");
  for (const auto& probe : probes)
    log::output(cat("  ", pad(host::ability_name(probe.ability), -32), probe.works ? "yes" : cat("no: ", probe.detail)));
  log::output("\nExecution modes, in the order in which auto prefers them:");
  for (const auto& report : modes)
    log::output(cat("  ", engine::mode_name(report.mode), "  ", !report.works ? cat("lacks ", report.lacks) : report.note.empty() ? "works" : cat("works ", report.note)));
  log::output(cat("\nMode auto takes ", engine::mode_name(engine::best_mode(modes)), " here."));
  bool first = true;
  for (const auto& probe : probes) {
    std::string advice = probe.works ? "" : host::advice(probe.ability);
    if (advice.empty()) continue;
    if (first) log::output("\nTo ask the administrator for:");
    first = false;
    log::output(cat("  ", host::ability_name(probe.ability), ": ", advice));
  }
}

// Exit status 0 when some mode works that runs any program (R, T or P), 1 when only the preload modes are left.
int run(const cli::Arguments& args) {
  args.at_most(0);
  auto probes = engine::fresh_probes(ops::settings_of(args).libdir);
  auto modes = engine::judge_modes(probes, apptainer_installed());
  if (args.has("json")) print_json(probes, modes);
  else print_text(probes, modes);
  return engine::family_of(engine::best_mode(modes)) == engine::Family::preload ? 1 : 0;
}

}  // namespace

extern const cli::Applet applet_doctor{"doctor", "doctor [--json]", "tell which execution modes work on this host", kOptions, run,
                                       "  udocker doctor\n  udocker doctor --json | jq -r .auto\n"};

}  // namespace udocker
