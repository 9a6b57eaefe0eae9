// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/session.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <new>

#include <sys/resource.h>
#include <unistd.h>

#include "likeness/base/crash_report.h"
#include "likeness/base/error_json.h"
#include "likeness/cli/terminal.h"
#include "likeness/tasks/doctor.h"
#include "likeness/trust/keys.h"

namespace likeness::cli {

Cancel& Session::cancel() {
  static Cancel cancel;
  return cancel;
}

Session::Session()
    : app_("Likeness makes and checks synthetic media of people who agreed to it.", "likeness") {
  app_.require_subcommand(1);
  app_.fallthrough();
  app_.add_flag("--json", json_, "print the result (and errors) as JSON on stdout");
  app_.add_flag("--quiet,-q", quiet_, "no progress on stderr");
  app_.footer(
      "Start with:\n"
      "  likeness doctor\n"
      "  likeness demo\n"
      "Every command has --help with examples.");
  app_.set_help_all_flag("--help-all", "help of all commands");
}

CLI::App* Session::command(CLI::App* parent, const std::string& name, const std::string& help,
                           const std::vector<std::string>& examples) {
  CLI::App* sub = parent->add_subcommand(name, help);
  sub->fallthrough();
  std::string footer = examples.empty() ? "" : "Examples:";
  for (const auto& e : examples) footer += "\n  " + e;
  sub->footer(footer);
  return sub;
}

void Session::on_run(CLI::App* command, std::function<int()> action) {
  // Run after parsing, not inside it, so that CLI11 does not see our exceptions.
  command->callback([this, action = std::move(action)] { action_ = action; });
}

void Session::print(const nlohmann::json& data, const std::string& text, std::FILE* to) const {
  const std::string out =
      json_ ? data.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n" : text;
  if (std::fwrite(out.data(), 1, out.size(), to) != out.size() || std::fflush(to) != 0)
    throw Error(errno == ENOSPC ? ErrorCode::kNoSpace : ErrorCode::kIo,
                "cannot write to standard output", "check where the output goes");
}

tasks::JobResult Session::run(tasks::Task& task, project::Project& project) {
  return tasks::run_task(task, project, progress_, cancel());
}

int Session::report(const Error& error) const {
  std::fprintf(stderr, "error: %s\n", error.what());
  if (!error.hint().empty()) std::fprintf(stderr, "hint: %s\n", error.hint().c_str());
  if (json_) {
    const nlohmann::json j = {{"error", error_json(error)}};
    std::puts(j.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  }
  return exit_status(error.code());
}

int Session::main(int argc, char** argv) {
  // Parsing may fail before --json is seen.
  for (int i = 1; i < argc; ++i) json_ = json_ || std::string(argv[i]) == "--json";
  try {
    try {
      app_.parse(argc, argv);
    } catch (const CLI::Success& e) {  // --help
      return app_.exit(e, std::cout, std::cerr);
    } catch (const CLI::ParseError& e) {
      const auto known = app_.get_subcommands([](CLI::App*) { return true; });
      const auto named = [&](const CLI::App* c) { return c->check_name(argv[1]); };
      if (argc > 1 && argv[1][0] != '-' && std::none_of(known.begin(), known.end(), named))
        throw Error(ErrorCode::kUsage, std::string("there is no command '") + argv[1] + "'",
                    "see likeness --help");
      throw Error(ErrorCode::kUsage, e.what(), "see --help of the command");
    }
    install_signals(cancel());
    install_log_sink(quiet_);
    listener_ = progress_listener(quiet_);
    return action_ ? action_() : 0;
  } catch (const Error& e) {
    return report(e);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorCode::kNoSpace, "out of memory",
                        "close other programs, or lower sizes (batch, resolution_px)"));
  } catch (const std::exception& e) {
    return report(
        Error(ErrorCode::kInternal, e.what(), "please report this with the command you ran"));
  }
}

namespace {
/// A crash leaves no memory behind: keys are in it. The limit is for files; where the system hands
/// dumps to a program, the filter leaves nothing in them.
void no_core_dumps() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  if (std::FILE* filter = std::fopen("/proc/self/coredump_filter", "w")) {
    std::fputs("0", filter);
    std::fclose(filter);
  }
}

void report_crashes(int argc, char** argv) {
  std::filesystem::path home;
  try {
    home = trust::home_folder();
  } catch (const Error&) {  // no HOME: the command itself says so where that matters
    home = std::filesystem::temp_directory_path();
  }
  install_crash_report(home / "crashes", std::string("version: ") + tasks::program_version() +
                                             "\ncommand: " + public_command({argv, argv + argc}) +
                                             "\n" + tasks::system_text());
}
}  // namespace

int run_program(int argc, char** argv) {
  no_core_dumps();
  report_crashes(argc, argv);
  Session session;
  add_doctor_command(session);
  add_project_commands(session);
  add_subject_commands(session);
  add_extract_command(session);
  add_consent_commands(session);
  add_faceset_commands(session);
  add_train_command(session);
  add_swap_command(session);
  add_evaluate_command(session);
  add_speak_command(session);
  add_voice_commands(session);
  add_verify_command(session);
  add_ledger_commands(session);
  add_studio_command(session);
  add_demo_command(session);
  add_options_command(session);
  add_version_command(session);
  return session.main(argc, argv);
}

std::string short_text(const nlohmann::json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value;
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (!value.is_number_float()) return value.dump();
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value.get<double>());
  return text;
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> width;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (width.size() <= i) width.push_back(0);
      width[i] = std::max(width[i], row[i].size());
    }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(width[i] - row[i].size() + 2, ' ');
    }
    out += line + "\n";
  }
  return out;
}

}  // namespace likeness::cli
