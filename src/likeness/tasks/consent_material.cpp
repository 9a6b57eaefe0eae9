// SPDX-License-Identifier: Apache-2.0
// show, verify and revoke.
#include <algorithm>
#include <set>
#include <sstream>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tasks/consent_internal.h"
#include "likeness/tasks/consent_ops.h"
#include "likeness/tasks/runner.h"
#include "likeness/trust/gate.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/vault.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

json findings_json(const std::vector<trust::Finding>& findings) {
  json out = json::array();
  for (const auto& f : findings) out.push_back({{"rule", f.rule}, {"ok", f.ok}, {"text", f.text}});
  return out;
}

/// One line of `consent show`.
json overview(const project::Project& project, const std::vector<trust::LedgerEntry>& ledger,
              const project::Subject& s) {
  json j = {{"subject", s.name}, {"kind", project::subject_kind_name(s.kind)}};
  const auto ids = trust::consent_ids(ledger, s.name);
  if (ids.empty()) {
    j["state"] = s.kind == project::SubjectKind::kPerson ? "none" : "not needed";
    return j;
  }
  j["consent"] = "urn:uuid:" + ids.back();
  try {
    const auto stored = trust::load_consent(project, ids.back());
    trust::check_record(stored.record);
    const json& c = stored.record["credentialSubject"];
    j.update({{"basis", c["basis"]},
              {"operations", c["operations"]},
              {"modalities", c["modalities"]},
              {"scope", c["scope"]},
              {"terms", c["terms"]},
              {"valid_from", stored.record["validFrom"]},
              {"valid_until", stored.record["validUntil"]},
              {"digest", trust::record_digest(stored.record)},
              {"words", trust::words_told(stored.record)}});
    if (c["basis"] == "synthetic") {
      j["state"] = "declared";
      return j;
    }
    const auto assessment = trust::assess_consent(project, ledger, s.name, nullptr);
    j["state"] = "valid";
    for (const auto& f : assessment.findings)
      if (!f.ok) j["state"] = f.rule.rfind("consent-", 0) == 0 ? f.rule.substr(8) : f.rule;
    if (assessment.key && !stored.revocation)
      j["name"] = trust::load_private(project, ids.back(), *assessment.key).name;
  } catch (const Error& e) {
    j["state"] = "unreadable";
    j["error"] = e.what();
  }
  return j;
}

/// Ledger lines of everything that was made with the subject.
json outputs_of(const std::vector<trust::LedgerEntry>& ledger, const std::string& subject) {
  json out = json::array();
  for (const auto& e : ledger) {
    if (e.type != "output" || !e.body.is_object() || !e.body.contains("grant")) continue;
    const json subjects = e.body["grant"].value("subjects", json::array());
    json role;
    for (const auto& s : subjects)
      if (s.is_object() && s.value("name", "") == subject) role = s.value("role", "");
    if (role.is_null() || !e.body.contains("output")) continue;
    json row = e.body["output"];
    row.update({{"made_at", e.at},
                {"job", e.body.value("job", 0)},
                {"role", role},
                {"operation", e.body["grant"].value("operation", "")},
                {"ledger_line", e.seq + 1},
                {"ledger_hash", e.hash}});
    out.push_back(std::move(row));
  }
  return out;
}

std::string takedown_text(const std::string& subject, const json& outputs) {
  std::string text =
      "Takedown: the consent for '" + subject +
      "' was withdrawn.\n\nThe files below show the person's likeness and must no longer be shown "
      "or "
      "passed on.\nA copy can be recognised by its SHA-256, by the id of its watermark, or by the "
      "id of its manifest\n(likeness verify FILE shows both). record.json and revocation.json "
      "prove "
      "the withdrawal.\n\n";
  for (const auto& o : outputs) {
    text += o.value("path", "?") + "\n  sha256 " + o.value("sha256", "?") + ", " +
            o.value("kind", "") + ", made " + o.value("made_at", "") + "\n";
    for (const char* key : {"watermark", "manifest"})
      if (o.contains(key)) text += std::string("  ") + key + " " + o[key].dump() + "\n";
  }
  return text + (outputs.empty() ? "Nothing was made.\n" : "");
}

/// The subject's faces leave the database: points and embeddings of its tracks.
int64_t forget_faces(project::Project& project, const std::string& subject) {
  int64_t forgotten = 0;
  for (const auto& m : project.media()) {
    std::set<int> mine;
    for (const auto& t : project.tracks(m.id))
      if (t.subject == subject) mine.insert(t.track);
    if (mine.empty()) continue;
    for (int t : mine) forgotten += project.forget_track(m.id, t);  // those corrected by hand too
    auto row = m;
    row.analysis.clear();  // the clip must be analysed again before it can be used
    project.put_media(row);
  }
  return forgotten;
}

/// Parts of unfinished jobs with the subject in them: pictures, sound, analyses.
json forget_unfinished(const project::Project& project, const std::string& subject) {
  json removed = json::array();
  std::error_code ec;
  for (const auto& job : fs::directory_iterator(project.folder() / "work", ec)) {
    const fs::path persons = job.path() / kPersonsOfJob;
    if (!fs::exists(persons, ec)) continue;
    std::istringstream names(read_file(persons, 1 << 16));
    for (std::string name; std::getline(names, name);)
      if (name == subject) {
        removed.push_back(fs::relative(job.path(), project.folder(), ec).string());
        fs::remove_all(job.path(), ec);
        break;
      }
  }
  return removed;
}

void copy_manifests(const project::Project& project, const json& outputs, const fs::path& to) {
  std::error_code ec;
  const fs::path store = project.folder() / "manifests";
  if (!fs::exists(store, ec)) return;
  for (const auto& o : outputs) {
    const std::string name = o.value("watermark", "");
    if (name.empty() || name.find('/') != std::string::npos || !fs::exists(store / name, ec))
      continue;
    fs::create_directories(to, ec);
    fs::copy(store / name, to / name, fs::copy_options::recursive, ec);
  }
}

json sign_revocation(const std::string& id, const json& record, const RevokeOptions& options) {
  if (!options.statement.empty()) {
    json given = trust::parse_json(read_file(options.statement, 1 << 20), "revocation");
    if (!trust::revocation_holds(given, record, trust::trusted_studios()))
      throw Error(ErrorCode::kBadInput, "the statement does not revoke this consent",
                  "it must be signed by the person or a studio, for urn:uuid:" + id);
    return given;
  }
  std::error_code ec;
  const fs::path own = trust::subject_key_path(id);
  const auto key = fs::exists(own, ec) ? trust::SigningKey::load(own) : trust::studio_key();
  const bool fits = key.public_key().did() == record.at("issuer");
  return trust::make_revocation(record, fits ? key : trust::studio_key(),
                                options.reason.empty() ? "withdrawn" : options.reason,
                                project::now_utc());
}

}  // namespace

std::vector<fs::path> sealed_files(const project::Project& project, const std::string& key) {
  std::vector<fs::path> out;
  std::error_code ec;
  for (auto it = fs::recursive_directory_iterator(project.folder(), ec);
       it != fs::recursive_directory_iterator(); it.increment(ec)) {
    if (ec || !it->is_regular_file(ec) || !is_identity_material(it->path())) continue;
    try {
      const auto info = sealed_info(it->path());
      if (info && std::find(info->key_ids.begin(), info->key_ids.end(), key) != info->key_ids.end())
        out.push_back(it->path());
    } catch (const Error&) {  // not one of ours, or broken: it opens nothing
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

json consent_verify(const project::Project& project, const std::string& subject) {
  project.subject(subject);
  const trust::Ledger book(trust::ledger_path(project));
  const auto report = book.verify(trust::trusted_studios());
  std::vector<trust::Finding> findings = {
      {"ledger-changed", report.ok,
       report.ok ? std::to_string(report.entries) + " ledger lines hold" : report.problems[0]}};
  std::string id;
  if (report.ok) {
    const auto ledger = book.read();
    auto a = trust::assess_consent(project, ledger, subject, nullptr);
    findings.insert(findings.end(), a.findings.begin(), a.findings.end());
    id = a.consent.id;
  }
  const bool ok = trust::all_hold(findings);
  return {{"subject", subject},
          {"consent", id.empty() ? "" : "urn:uuid:" + id},
          {"ok", ok},
          {"findings", findings_json(findings)}};
}

json consent_verify_file(const fs::path& file, const std::string& studio) {
  json j = trust::parse_json(read_file(file, 1 << 20), file.string());
  const json revocation = j.is_object() && j.contains("revocation") ? j["revocation"] : json();
  if (j.is_object() && j.contains("record") && j.value("format", "") == "likeness-consent-1")
    j = json(j["record"]);
  trust::check_record(j);
  const std::vector<std::string> studios =
      studio.empty() ? std::vector<std::string>{} : std::vector<std::string>{studio};
  auto findings = trust::examine_record(j, project::now_utc(), studios);
  if (!revocation.is_null())
    findings.push_back({"consent-revoked", false, "a revocation comes with the record"});
  const bool ok = trust::all_hold(findings);
  return {{"file", file.string()},
          {"consent", j["id"]},
          {"digest", trust::record_digest(j)},
          {"subject", j["credentialSubject"]["alias"]},
          {"ok", ok},
          {"findings", findings_json(findings)}};
}

json consent_show(const project::Project& project, const std::string& subject) {
  const auto ledger = trust::Ledger(trust::ledger_path(project)).read();
  json out = json::array();
  if (!subject.empty()) {
    out.push_back(overview(project, ledger, project.subject(subject)));
    return out;
  }
  for (const auto& s : project.subjects()) out.push_back(overview(project, ledger, s));
  return out;
}

json consent_revoke(project::Project& project, const std::string& subject,
                    const RevokeOptions& options) {
  ProjectLock lock(project, "consent-" + subject);
  project.subject(subject);
  trust::Ledger book(trust::ledger_path(project));
  const auto ledger = book.read();
  const auto history = trust::subject_history(ledger, subject);
  if (history.consent.empty())
    throw Error(ErrorCode::kNotFound, "there is no consent of '" + subject + "' to revoke",
                "see: likeness consent show PROJECT");
  const auto stored = trust::load_consent(project, history.consent);
  const json revocation = history.revoked && stored.revocation
                              ? *stored.revocation
                              : sign_revocation(history.consent, stored.record, options);
  // First what blocks, then what cleans up: killed anywhere, the same command finishes it.
  write_file_atomic(trust::consent_folder(project, history.consent) / "revocation.json",
                    revocation.dump(1) + "\n");
  if (!history.revoked)
    book.append("consent-revoked", {{"subject", subject},
                                    {"consent", history.consent},
                                    {"reason", revocation.at("reason")},
                                    {"digest", sha256(trust::canonical_json(revocation))}});
  trust::vault_destroy(history.key);
  json removed = json::array();
  std::error_code ec;
  for (const auto& f : sealed_files(project, history.key)) {
    removed.push_back(fs::relative(f, project.folder(), ec).string());
    if (f.extension() != ".faces") {  // what shows the person beside a model
      fs::remove(f.parent_path() / "preview.png", ec);
      fs::remove_all(f.parent_path() / "previews", ec);
    }
    fs::remove(f, ec);
  }
  for (const auto& job : forget_unfinished(project, subject)) removed.push_back(job);
  const int64_t rows = forget_faces(project, subject);
  const json outputs = outputs_of(ledger, subject);
  std::string day = project::now_utc();
  day.erase(std::remove(day.begin(), day.end(), ':'), day.end());
  const fs::path bundle = options.bundle.empty()
                              ? project.outputs_folder() / ("takedown-" + subject + "-" + day)
                              : options.bundle;
  fs::create_directories(bundle, ec);
  const json out = {{"consent", "urn:uuid:" + history.consent},
                    {"subject", subject},
                    {"revoked_at", revocation.at("revokedAt")},
                    {"reason", revocation.at("reason")},
                    {"outputs", outputs},
                    {"removed", removed},
                    {"face_rows_removed", rows},
                    {"bundle", bundle.string()}};
  copy_manifests(project, outputs, bundle / "manifests");
  trust::deliver_text(bundle / "record.json", stored.record.dump(1) + "\n");
  trust::deliver_text(bundle / "revocation.json", revocation.dump(1) + "\n");
  trust::deliver_text(bundle / "README.txt", takedown_text(subject, outputs));
  trust::deliver_text(bundle / "takedown.json", out.dump(1) + "\n");
  return out;
}

}  // namespace likeness::tasks
