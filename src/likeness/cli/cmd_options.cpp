// SPDX-License-Identifier: Apache-2.0
// `likeness options TASK`: every option with its value and the layer it comes from, or the JSON
// Schema.
#include <optional>

#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/faceset/faceset_options.h"
#include "likeness/tasks/evaluate_task.h"
#include "likeness/tasks/extract.h"
#include "likeness/tasks/swap.h"
#include "likeness/tasks/train.h"

namespace likeness::cli {
namespace {

struct Args {
  std::string task, folder, preset;
  bool schema = false;
};

template <typename O>
nlohmann::json explain(const Args& a, const project::Project* p) {
  if (a.schema) return options_schema(O{});
  O options;
  nlohmann::json out = nlohmann::json::object();
  const nlohmann::json defaults = options_to_json(options);
  for (const auto& [name, value] : defaults.items())
    out[name] = {{"value", value}, {"from", "default"}};
  auto layer = [&](const std::string& from, const nlohmann::json& values) {
    apply_layer(options, values, from);
    for (const auto& [name, value] : values.items())
      out[name] = {{"value", options_to_json(options)[name]}, {"from", from}};
  };
  auto table_of = [&](const nlohmann::json& whole) {
    return whole.value(a.task, nlohmann::json::object());
  };
  if (!a.preset.empty()) layer("preset " + a.preset, table_of(load_preset(a.preset)));
  if (p) layer("project.toml", table_of(p->config()));
  layer("environment", options_from_environment(a.task, options_schema(O{})));
  visit(options,
        [&](const char* name, auto&, const OptionInfo& info) { out[name]["help"] = info.help; });
  return out;
}

using Explain = nlohmann::json (*)(const Args&, const project::Project*);
const std::vector<std::pair<std::string, Explain>>& known_tasks() {
  static const std::vector<std::pair<std::string, Explain>> all = {
      {"extract", explain<tasks::ExtractOptions>},       {"filter", explain<faceset::Filter>},
      {"train", explain<tasks::TrainTaskOptions>},       {"swap", explain<tasks::SwapTaskOptions>},
      {"evaluate", explain<tasks::EvaluateTaskOptions>},
  };
  return all;
}

}  // namespace

void add_options_command(Session& s) {
  auto a = std::make_shared<Args>();
  std::string names;
  for (const auto& [name, f] : known_tasks()) names += (names.empty() ? "" : ", ") + name;
  auto* c = s.command(
      &s.app(), "options", "the options of a task, their values and where each comes from",
      {"likeness options extract --project film", "likeness options extract --schema"});
  c->add_option("task", a->task, names)->required();
  c->add_option("--project", a->folder, "with the values of this project");
  c->add_option("--preset", a->preset, "with the values of this preset");
  c->add_flag("--schema", a->schema, "print the JSON Schema");
  s.on_run(c, [&s, a, names] {
    std::optional<project::Project> p;
    if (!a->folder.empty()) p = project::Project::open(a->folder);
    for (const auto& [name, f] : known_tasks()) {
      if (name != a->task) continue;
      const auto j = f(*a, p ? &*p : nullptr);
      std::vector<std::vector<std::string>> rows = {{"option", "value", "from", "what"}};
      if (!a->schema)
        for (const auto& [option, row] : j.items())
          rows.push_back({option, short_text(row["value"]), row["from"], row["help"]});
      s.print(j, a->schema ? j.dump(2) + "\n" : table(rows));
      return 0;
    }
    throw Error(ErrorCode::kUsage, "no task is called '" + a->task + "'", "one of: " + names);
  });
}

}  // namespace likeness::cli
