// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/evaluate_task.h"

namespace likeness::cli {

/// Also shown by `demo`.
std::string evaluation_text(const nlohmann::json& j) {
  std::vector<std::vector<std::string>> rows;
  for (const char* key :
       {"frames", "frames_swapped", "frames_passed", "distance_to_identity",
        "distance_to_performer", "closer_to_identity_pct", "landmark_error_pct", "pose_error_deg",
        "psnr_truth", "ssim_truth", "ssim_outside", "jitter_px", "flicker"})
    rows.push_back({key, short_text(j.value(key, nlohmann::json()))});
  return table(rows);
}

void add_evaluate_command(Session& s) {
  auto* c = s.command(&s.app(), "evaluate", "score a swapped clip",
                      {"likeness evaluate film out.mp4 --target take.mp4 --identity ben "
                       "--performer ava --html report.html",
                       "likeness evaluate film out.mp4 --target take.mp4 --identity ben "
                       "--performer ava --truth truth.mp4 --mask mask.mp4 --json"});
  struct Args {
    std::string folder, result, target, truth, mask, identity, performer, html, sheet, side;
  };
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<tasks::EvaluateTaskOptions>>("evaluate");
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("result", a->result, "the swapped clip")->required();
  c->add_option("--target", a->target, "the footage it was made from")->required();
  c->add_option("--identity", a->identity, "whose likeness was made")->required();
  c->add_option("--performer", a->performer, "who acts")->required();
  c->add_option("--truth", a->truth, "what a perfect swap shows, where known");
  c->add_option("--mask", a->mask, "white where the face may change");
  c->add_option("--html", a->html, "write a report with plots");
  c->add_option("--sheet", a->sheet, "write a contact sheet (PNG or JPEG)");
  c->add_option("--side-by-side", a->side, "write a video of target, result and truth");
  flags->add(c, false);
  s.on_run(c, [&s, a, flags] {
    auto p = project::Project::open(a->folder);
    tasks::EvaluateTask task({a->result, a->target, a->truth, a->mask}, a->identity, a->performer,
                             {a->html, a->sheet, a->side}, flags->resolve(&p));
    const auto done = s.run(task, p);
    s.print(done.report, evaluation_text(done.report));
    return 0;
  });
}

}  // namespace likeness::cli
