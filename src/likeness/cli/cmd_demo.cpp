// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/demo.h"

namespace likeness::cli {

std::string evaluation_text(const nlohmann::json& j);

void add_demo_command(Session& s) {
  auto* c =
      s.command(&s.app(), "demo", "the whole program on the built-in performers, with a report",
                {"likeness demo", "likeness demo --minutes 20 --out demo-long --json"});
  struct Args {
    double minutes = 3;
    std::string out = "demo-out", preset = "quick";
  };
  auto a = std::make_shared<Args>();
  c->add_option("--minutes", a->minutes, "training time [0.01 to 10000 min; default 3]")
      ->check(CLI::Range(0.01, 1e4));
  c->add_option("--out", a->out, "folder to write to [default demo-out]");
  c->add_option("--preset", a->preset, "of the training [default quick]");
  s.on_run(c, [&s, a] {
    tasks::TrainTaskOptions options;
    apply_layer(options, load_preset(a->preset).value("train", nlohmann::json::object()),
                "preset " + a->preset);
    apply_layer(options,
                options_from_environment("train", options_schema(tasks::TrainTaskOptions{})),
                "environment");
    options.train.minutes = a->minutes;
    const auto j = tasks::run_demo(a->out, options, s.progress(), Session::cancel());
    std::string text = evaluation_text(j["evaluation"]) + "\n";
    for (const auto& [name, path] : j["files"].items()) text += path.get<std::string>() + "\n";
    s.print(j, text);
    return 0;
  });
}

}  // namespace likeness::cli
