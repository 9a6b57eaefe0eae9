// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/model_history.h"
#include "likeness/tasks/train.h"

namespace likeness::cli {
namespace {

std::string text_of(const nlohmann::json& j) {
  const auto& held = j["held_out"];
  return table({{"model", j["model"].get<std::string>() + "  (" + j["identity"].get<std::string>() +
                              "'s face, " + j["performer"].get<std::string>() + "'s performance)"},
                {"steps", j["step"].dump()},
                {"training time", short_text(j["elapsed_s"].get<double>() / 60) +
                                      " min, stopped by " + j["stopped_by"].get<std::string>()},
                {"step", short_text(j["ms_per_step"]) + " ms, waiting for data " +
                             short_text(j["loader_wait_pct"]) + " %"},
                {"loss", short_text(j["loss"])},
                {"held-out SSIM", short_text(held["ssim_identity"]) + " identity, " +
                                      short_text(held["ssim_performer"]) + " performer"},
                {"preview", j["folder"].get<std::string>() + "/preview.png"}});
}

}  // namespace

void add_train_command(Session& s) {
  auto* c =
      s.command(&s.app(), "train", "teach a model one person's face from another's performance",
                {"likeness train film --model ben-on-ava --identity ben --performer ava --preset "
                 "quick --minutes 5",
                 "likeness train film --model ben-on-ava --identity ben --performer ava --preset "
                 "fine --device cuda"});
  struct Args {
    std::string folder, model, identity, performer;
    bool restart = false;
  };
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<tasks::TrainTaskOptions>>("train");
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("--model", a->model, "name of the model; an existing one goes on")->required();
  c->add_option("--identity", a->identity, "whose likeness is made")->required();
  c->add_option("--performer", a->performer, "who acts")->required();
  c->add_flag("--restart", a->restart, "begin anew; what was there goes to the trash");
  flags->add(c);
  s.on_run(c, [&s, a, flags] {
    auto p = project::Project::open(a->folder);
    tasks::TrainTask task(a->model, a->identity, a->performer, flags->resolve(&p));
    trust::authorise(p, task.request());  // before anything is moved
    if (a->restart && std::filesystem::exists(p.model_folder(a->model)))
      tasks::discard_model(p, a->model);
    const auto done = s.run(task, p);
    s.print(done.report, text_of(done.report));
    if (done.report["stopped_by"] != "cancel") return 0;
    log_info("stopped on request, saved; the same command goes on from here");
    return exit_status(ErrorCode::kCancelled);
  });
}

}  // namespace likeness::cli
