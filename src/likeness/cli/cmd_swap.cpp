// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/swap.h"
#include "likeness/tasks/swap_polygons.h"

namespace likeness::cli {
namespace {

std::string text_of(const nlohmann::json& j) {
  const auto& passed = j["passed"];
  std::string text = table(
      {{"written", j["output"]},
       {"frames", j["frames"].dump()},
       {"swapped", j["frames_swapped"].dump()},
       {"passed through", j["frames_passed"].dump() + "  (no face " + passed["no_face"].dump() +
                              ", somebody else " + passed["somebody_else"].dump() + ", failed " +
                              passed["failed"].dump() + ")"},
       {"encoder", j["encoder"]}});
  for (const auto& f : j["failures"])
    text +=
        "frame " + f["frame"].dump() + " passed unchanged: " + f["why"].get<std::string>() + "\n";
  for (const auto& d : j["damage"])
    text += "the footage is damaged at " + short_text(d["time_s"]) +
            " s: " + d["what"].get<std::string>() + "\n";
  return text;
}

std::map<std::string, std::string> parse_map(const std::vector<std::string>& entries) {
  std::map<std::string, std::string> map;
  for (const auto& e : entries) {
    const size_t at = e.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == e.size())
      throw Error(ErrorCode::kUsage, "--map " + e + " is not SUBJECT=MODEL",
                  "for example: --map ava=ben-on-ava --map 3=cleo-on-dan");
    map[e.substr(0, at)] = e.substr(at + 1);
  }
  return map;
}

}  // namespace

void add_swap_command(Session& s) {
  auto* c = s.command(&s.app(), "swap", "lay a model's face over a performance",
                      {"likeness swap film --model ben-on-ava take.mp4 -o out.mp4",
                       "likeness swap film take.mov -o out.mov --map ava=ben-on-ava --map "
                       "cleo=dan-on-cleo --codec prores"});
  struct Args {
    std::string folder, model, target, out, frames, polygons;
    std::vector<std::string> map, ranges;
  };
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<tasks::SwapTaskOptions>>("swap");
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("target", a->target, "footage of the performer")->required();
  c->add_option("--model", a->model, "trained model; laid over its performer");
  c->add_option("--map", a->map, "SUBJECT=MODEL or TRACK=MODEL, once per face")
      ->expected(1)
      ->take_all();
  c->add_option("--range", a->ranges,
                "other settings for some frames: FIRST-LAST:NAME=VALUE,… once per range")
      ->expected(1)
      ->take_all();
  c->add_option("--polygons", a->polygons,
                "what is drawn over the mask, include and exclude: a JSON file, or the list itself "
                "(docs/guide/swap.md)");
  c->add_option("--frames", a->frames,
                "FIRST-LAST: only these frames, counted from 0; the output begins with the first");
  c->add_option(
      "-o,--out", a->out,
      "file to write (mp4, mov, mkv; a folder for png and tiff) [default outputs/ of the project]");
  flags->add(c);
  s.on_run(c, [&s, a, flags] {
    auto p = project::Project::open(a->folder);
    const auto options = flags->resolve(&p);
    std::filesystem::path out = a->out;
    if (out.empty())
      out = p.outputs_folder() / (std::filesystem::path(a->target).stem().string() + "-" +
                                  (a->model.empty() ? "swap" : a->model) + ".mp4");
    tasks::SwapTask task(p, a->target, out, a->model, parse_map(a->map), options);
    std::vector<tasks::SwapRange> ranges;
    for (const auto& text : a->ranges) ranges.push_back(tasks::parse_swap_range(text));
    task.set_ranges(ranges);
    if (!a->polygons.empty()) task.set_polygons(tasks::read_polygons(a->polygons));
    if (!a->frames.empty()) {
      const tasks::SwapRange part = tasks::parse_swap_range(a->frames + ":");
      task.set_part(part.first, part.last);
    }
    const auto done = s.run(task, p);
    s.print(done.report, text_of(done.report));
    return 0;
  });
}

}  // namespace likeness::cli
