// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/session.h"
#include "likeness/tasks/output_library.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/ledger.h"

namespace likeness::cli {
namespace {
using project::Project;

void add_verify(Session& s, CLI::App* group) {
  struct Args {
    std::string folder;
    std::vector<std::string> studios;
  };
  auto a = std::make_shared<Args>();
  auto* c = s.command(
      group, "verify", "check every hash and signature of a project's ledger",
      {"likeness ledger verify film", "likeness ledger verify film --studio did:key:z6Mk… --json"});
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("--studio", a->studios, "did:key of another studio whose lines are expected");
  s.on_run(c, [&s, a] {
    auto studios = trust::trusted_studios();
    studios.insert(studios.end(), a->studios.begin(), a->studios.end());
    const auto p = Project::open(a->folder);
    const auto r = trust::Ledger(trust::ledger_path(p)).verify(studios);
    std::string text;
    for (const auto& problem : r.problems) text += "problem: " + problem + "\n";
    text += r.ok ? std::to_string(r.entries) + " lines hold, head " + r.head.substr(0, 16) + "\n"
                 : "the ledger does NOT hold\n";
    s.print({{"ok", r.ok},
             {"entries", r.entries},
             {"unsigned_entries", r.unsigned_entries},
             {"head", r.head},
             {"studios", r.studios},
             {"problems", r.problems}},
            text);
    return r.ok ? 0 : exit_status(ErrorCode::kDamaged);
  });
}

void add_export(Session& s, CLI::App* group) {
  struct Args {
    std::string folder, out;
  };
  auto a = std::make_shared<Args>();
  auto* c =
      s.command(group, "export", "write the ledger, its head and the studio's key to one file",
                {"likeness ledger export film ledger-2026.json",
                 "likeness ledger export film ledger.json --json"});
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("file", a->out, "new file")->required();
  s.on_run(c, [&s, a] {
    const auto p = Project::open(a->folder);
    std::error_code ec;
    if (std::filesystem::exists(a->out, ec))
      throw Error(ErrorCode::kUsage, a->out + " exists already", "name a new file");
    const nlohmann::json out = tasks::export_ledger(p);
    trust::deliver_text(a->out, out.dump(1) + "\n");
    const size_t entries = out["lines"].size();
    s.print({{"file", a->out}, {"entries", entries}, {"ok", out["ok"]}},
            "wrote " + std::to_string(entries) + " lines to " + a->out + "\n");
    return 0;
  });
}

}  // namespace

void add_ledger_commands(Session& s) {
  auto* group = s.command(&s.app(), "ledger", "the signed record of what was allowed and made",
                          {"likeness ledger verify film", "likeness ledger export film out.json"});
  group->require_subcommand(1);
  add_verify(s, group);
  add_export(s, group);
}

}  // namespace likeness::cli
