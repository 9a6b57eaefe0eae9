// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/session.h"
#include "likeness/tasks/doctor.h"

namespace likeness::cli {

void add_doctor_command(Session& s) {
  auto* c = s.command(&s.app(), "doctor",
                      "what this machine has, and what is missing with the command that fixes it",
                      {"likeness doctor", "likeness doctor --json"});
  s.on_run(c, [&s] {
    const auto j = tasks::doctor();
    std::vector<std::vector<std::string>> rows;
    for (const auto& check : j["checks"]) {
      rows.push_back({check["status"] == "ok"     ? "ok"
                      : check["status"] == "note" ? "-"
                                                  : "MISSING",
                      check["name"], check["value"]});
      if (check.contains("fix"))
        rows.push_back({"", "", "  fix: " + check["fix"].get<std::string>()});
    }
    s.print(j, table(rows) + (j["ok"].get<bool>() ? "\neverything needed is here\n"
                                                  : "\nsomething needed is missing\n"));
    return j["ok"].get<bool>() ? 0 : exit_status(ErrorCode::kMissing);
  });
}

void add_version_command(Session& s) {
  auto* c = s.command(&s.app(), "version", "version of the program and of what it was built with",
                      {"likeness version", "likeness version --json"});
  s.on_run(c, [&s] {
    const auto torch = tasks::torch_info();
    const nlohmann::json j = {{"version", tasks::program_version()},
                              {"compiler", LIKENESS_COMPILER},
                              {"build", LIKENESS_BUILD_TYPE},
                              {"torch", torch ? nlohmann::json(torch->version) : nlohmann::json()}};
    s.print(j, std::string("likeness ") + tasks::program_version() +
                   "  (" LIKENESS_COMPILER ", " LIKENESS_BUILD_TYPE ", libtorch " +
                   (torch ? torch->version : "none") + ")\n");
    return 0;
  });
}

}  // namespace likeness::cli
