// SPDX-License-Identifier: Apache-2.0
// What every command shares: the parser, --json, progress, cancel, output, exit status.
// stdout is data, stderr is talk.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "likeness/base/error.h"
#include "likeness/base/run.h"
#include "likeness/project/project.h"
#include "likeness/tasks/runner.h"

namespace likeness::cli {

class Session {
 public:
  Session();
  CLI::App& app() { return app_; }
  bool json() const { return json_; }
  Progress& progress() { return progress_; }
  static Cancel& cancel();

  /// A verb under `parent`: examples are shown at the end of its help.
  CLI::App* command(CLI::App* parent, const std::string& name, const std::string& help,
                    const std::vector<std::string>& examples);
  /// What the verb does once everything is parsed; the return value is the exit status.
  void on_run(CLI::App* command, std::function<int()> action);

  /// The result: `data` with --json, else `text`. `to`: stderr where stdout is the result.
  void print(const nlohmann::json& data, const std::string& text, std::FILE* to = stdout) const;
  tasks::JobResult run(tasks::Task& task, project::Project& project);

  int main(int argc, char** argv);

 private:
  int report(const Error& error) const;
  CLI::App app_;
  bool json_ = false, quiet_ = false;
  Progress::Listener listener_;
  Progress progress_{[this](const ProgressState& s, bool ends) {
    if (listener_) listener_(s, ends);
  }};
  std::function<int()> action_;
};

void add_project_commands(Session& session);
void add_subject_commands(Session& session);
void add_extract_command(Session& session);
void add_faceset_commands(Session& session);
void add_train_command(Session& session);
void add_swap_command(Session& session);
void add_consent_commands(Session& session);
void add_ledger_commands(Session& session);
void add_evaluate_command(Session& session);
void add_speak_command(Session& session);
void add_voice_commands(Session& session);
void add_voice_enroll(Session& session, CLI::App* group);
void add_voice_bank(Session& session, CLI::App* group);
void add_voice_abx(Session& session, CLI::App* group);
void add_voice_train(Session& session, CLI::App* group);
void add_voice_convert(Session& session, CLI::App* group);
void add_voice_stream(Session& session, CLI::App* group);
void add_voice_pretrain(Session& session, CLI::App* group);
void add_verify_command(Session& session);
void add_studio_command(Session& session);
void add_demo_command(Session& session);
void add_doctor_command(Session& session);
void add_options_command(Session& session);
void add_version_command(Session& session);

int run_program(int argc, char** argv);

/// Columns aligned by width; the first row is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);
/// Short text of a JSON scalar; numbers with at most 4 significant digits.
std::string short_text(const nlohmann::json& value);

}  // namespace likeness::cli
