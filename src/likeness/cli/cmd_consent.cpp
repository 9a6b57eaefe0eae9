// SPDX-License-Identifier: Apache-2.0
#include "likeness/cli/option_flags.h"
#include "likeness/cli/session.h"
#include "likeness/tasks/consent_ops.h"
#include "likeness/trust/keys.h"

namespace likeness::cli {
namespace {
using project::Project;

std::string findings_text(const nlohmann::json& findings) {
  std::vector<std::vector<std::string>> rows = {{"rule", "", "what was found"}};
  for (const auto& f : findings)
    rows.push_back({f["rule"], f["ok"] == true ? "ok" : "NO", f["text"]});
  return table(rows);
}

void add_request(Session& s, CLI::App* group) {
  struct Args {
    std::string folder, subject, key, out;
    int minutes = tasks::kDefaultPhraseMinutes;
  };
  auto a = std::make_shared<Args>();
  auto flags = std::make_shared<OptionFlags<trust::ConsentTerms>>("consent-request");
  auto* c = s.command(
      group, "request", "fix the terms of a consent, and make the words the person reads to camera",
      {"likeness consent request film mary --name \"Mary Doe\" --adult --description \"her face in "
       "the feature film X\" --uses film",
       "likeness consent request film s1 --basis licence --adult --description \"tests on the "
       "GRID corpus\" --json"});
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("subject", a->subject, "who is asked")->required();
  c->add_option("--phrase-minutes", a->minutes, "how long the words are good [default 30]");
  c->add_option("--person-key", a->key, "the person's own Ed25519 key (PEM), instead of a new one");
  flags->add(c, false);
  s.on_run(c, [&s, a, flags] {
    auto p = Project::open(a->folder);
    const auto j = tasks::consent_request(p, a->subject, flags->resolve(&p), a->minutes, a->key);
    std::string text = "request " + j["request"].get<std::string>() + "\n";
    if (j.contains("script"))
      text += "\nThe person reads this to camera, in one take, turning the head a little:\n\n" +
              j["script"].get<std::string>() + "\nThe words are good until " +
              j["expires_at"].get<std::string>() + ". Then:\n  likeness consent record " +
              a->folder + " " + a->subject + " VIDEO --reviewer NAME\n";
    else
      text += "next: likeness consent record " + a->folder + " " + a->subject +
              " DOCUMENT --reviewer NAME\n";
    s.print(j, text);
    return 0;
  });
}

void add_record(Session& s, CLI::App* group) {
  struct Args {
    std::string folder, subject, evidence;
    tasks::RecordOptions options;
  };
  auto a = std::make_shared<Args>();
  auto* c = s.command(group, "record", "check the evidence of a request and sign the record",
                      {"likeness consent record film mary statement.mp4 --reviewer \"J. Roe\"",
                       "likeness consent record film s1 licence.pdf --reviewer \"J. Roe\" --json"});
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("subject", a->subject, "who agreed")->required();
  c->add_option("evidence", a->evidence, "the video, or the document of a licence or estate");
  c->add_option("--reviewer", a->options.reviewer, "who listened to it or read it");
  c->add_flag("--words-confirmed", a->options.words_confirmed,
              "the reviewer heard exactly the words of the request; counts where no recogniser is "
              "installed");
  c->add_option("--words-reason", a->options.words_reason,
                "why the recogniser does not understand this person (impaired speech, an accent): "
                "with --words-confirmed the reviewer decides, and this is written into the record");
  c->add_option("--request", a->options.request, "its id [default the newest of this subject]");
  s.on_run(c, [&s, a] {
    auto p = Project::open(a->folder);
    const auto j = tasks::consent_record(p, a->subject, a->evidence, a->options, s.progress(),
                                         Session::cancel());
    s.print(j, "recorded " + j["consent"].get<std::string>() + " of " + a->subject +
                   ", valid until " + j["valid_until"].get<std::string>() + "\n");
    return 0;
  });
}

void add_verify(Session& s, CLI::App* group) {
  struct Args {
    std::string what, subject, studio;
  };
  auto a = std::make_shared<Args>();
  auto* c = s.command(group, "verify", "check every rule of a consent, in a project or in a file",
                      {"likeness consent verify film mary",
                       "likeness consent verify mary.consent.json --studio did:key:z6Mk… --json"});
  c->add_option("what", a->what, "project folder, or an exported record")->required();
  c->add_option("subject", a->subject, "whose, in a project");
  c->add_option("--studio", a->studio, "did:key that must have counter-signed a file");
  s.on_run(c, [&s, a] {
    const auto j = a->subject.empty() ? tasks::consent_verify_file(a->what, a->studio)
                                      : tasks::consent_verify(Project::open(a->what), a->subject);
    const bool ok = j["ok"];
    s.print(j, findings_text(j["findings"]) +
                   (ok ? "the consent holds\n" : "the consent does NOT hold\n"));
    return ok ? 0 : exit_status(ErrorCode::kRefused);
  });
}

void add_show(Session& s, CLI::App* group) {
  auto folder = std::make_shared<std::string>(), subject = std::make_shared<std::string>();
  auto* c = s.command(group, "show", "the consents of a project, or of one subject",
                      {"likeness consent show film", "likeness consent show film mary --json"});
  c->add_option("project", *folder, "project folder")->required();
  c->add_option("subject", *subject, "only this one");
  s.on_run(c, [&s, folder, subject] {
    const auto j = tasks::consent_show(Project::open(*folder), *subject);
    std::vector<std::vector<std::string>> rows = {
        {"subject", "state", "basis", "operations", "until", "consent"}};
    for (const auto& r : j) {
      std::string operations;
      for (const auto& o : r.value("operations", nlohmann::json::array()))
        operations += (operations.empty() ? "" : ",") + o.get<std::string>();
      rows.push_back({r["subject"], r["state"], r.value("basis", "-"),
                      operations.empty() ? "-" : operations, r.value("valid_until", "-"),
                      r.value("consent", "-")});
    }
    std::string told;
    for (const auto& r : j)
      if (const std::string words = r.value("words", ""); !words.empty())
        told += r["subject"].get<std::string>() + ": " + words + "\n";
    s.print(j, table(rows) + (told.empty() ? "" : "\n" + told));
    return 0;
  });
}

void add_revoke(Session& s, CLI::App* group) {
  struct Args {
    std::string folder, subject;
    tasks::RevokeOptions options;
    bool yes = false;
  };
  auto a = std::make_shared<Args>();
  auto* c = s.command(
      group, "revoke",
      "withdraw a consent: destroys its key, so facesets and models of the person are gone for "
      "good, and writes a takedown bundle",
      {"likeness consent revoke film mary --reason \"asked by mail on 3 May\" --yes",
       "likeness consent revoke film mary --statement revocation.json --bundle takedown/ --yes"});
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("subject", a->subject, "whose")->required();
  c->add_option("--reason", a->options.reason, "why, for the statement");
  c->add_option("--statement", a->options.statement, "a revocation the person signed elsewhere");
  c->add_option("--bundle", a->options.bundle, "folder for the takedown bundle");
  c->add_flag("--yes", a->yes, "it cannot be undone");
  s.on_run(c, [&s, a] {
    if (!a->yes)
      throw Error(ErrorCode::kUsage,
                  "revoking destroys the key of '" + a->subject +
                      "': its facesets and models cannot be opened again",
                  "add --yes to do it");
    auto p = Project::open(a->folder);
    const auto j = tasks::consent_revoke(p, a->subject, a->options);
    std::vector<std::vector<std::string>> rows = {{"made", "kind", "sha256", "path"}};
    for (const auto& o : j["outputs"])
      rows.push_back(
          {o["made_at"], o["kind"], o["sha256"].get<std::string>().substr(0, 16), o["path"]});
    s.print(j, "revoked " + j["consent"].get<std::string>() + "; the key is destroyed, " +
                   std::to_string(j["removed"].size()) + " files removed\n\n" +
                   (rows.size() > 1 ? "these outputs exist and must be taken down:\n" + table(rows)
                                    : "nothing was made with it\n") +
                   "bundle: " + j["bundle"].get<std::string>() + "\n");
    return 0;
  });
}

void add_export_import(Session& s, CLI::App* group) {
  struct Args {
    std::string folder, subject, file, studio;
    bool full = false;
  };
  auto a = std::make_shared<Args>();
  auto* c = s.command(group, "export", "write a consent record to a file",
                      {"likeness consent export film mary mary.consent.json",
                       "LIKENESS_PASSPHRASE_FILE=pass likeness consent export film mary "
                       "mary.full.json --full"});
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("subject", a->subject, "whose")->required();
  c->add_option("file", a->file, "new file")->required();
  c->add_flag("--full", a->full, "with evidence and key, under the passphrase");
  s.on_run(c, [&s, a] {
    const auto j = tasks::consent_export(Project::open(a->folder), a->subject, a->file, a->full);
    s.print(j, "wrote " + a->file + "\n");
    return 0;
  });
  auto b = std::make_shared<Args>();
  auto* i = s.command(group, "import", "take over a consent that was exported with --full",
                      {"LIKENESS_PASSPHRASE_FILE=pass likeness consent import film mary "
                       "mary.full.json",
                       "likeness consent import film mary mary.full.json --trust-studio "
                       "did:key:z6Mk…"});
  i->add_option("project", b->folder, "project folder")->required();
  i->add_option("subject", b->subject, "whose")->required();
  i->add_option("file", b->file, "the bundle")->required();
  i->add_option("--trust-studio", b->studio, "did:key of a studio you know");
  s.on_run(i, [&s, b] {
    auto p = Project::open(b->folder);
    const auto j = tasks::consent_import(p, b->subject, b->file, b->studio);
    s.print(j, "imported " + j["consent"].get<std::string>() + "\n");
    return 0;
  });
}

}  // namespace

void add_consent_commands(Session& s) {
  auto* group = s.command(&s.app(), "consent", "ask people, record that they agreed, revoke",
                          {"likeness consent request film mary --name \"Mary Doe\" --adult "
                           "--description \"…\"",
                           "likeness consent show film"});
  group->require_subcommand(1);
  add_request(s, group);
  add_record(s, group);
  add_verify(s, group);
  add_show(s, group);
  add_revoke(s, group);
  add_export_import(s, group);
}

}  // namespace likeness::cli
