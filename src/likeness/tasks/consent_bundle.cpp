// SPDX-License-Identifier: Apache-2.0
// export and import.
#include <algorithm>

#include <openssl/crypto.h>

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

constexpr const char* kFormat = "likeness-consent-1";

json text_hex(const std::string& bytes) {
  return hex({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

json consent_export(const project::Project& project, const std::string& subject,
                    const fs::path& out, bool full) {
  project.subject(subject);
  const auto ledger = trust::Ledger(trust::ledger_path(project)).read();
  const auto history = trust::subject_history(ledger, subject);
  if (history.consent.empty())
    throw Error(ErrorCode::kNotFound, "there is no consent of '" + subject + "' to export",
                "see: likeness consent show PROJECT");
  const auto stored = trust::load_consent(project, history.consent);
  json bundle = {{"format", kFormat}, {"record", stored.record}};
  if (stored.revocation) bundle["revocation"] = *stored.revocation;
  if (full) {
    const SealKey key = trust::vault_key(history.key, subject);
    bundle["key"] = trust::vault_export_key(history.key);
    // The private part and the evidence stay under the consent's key, which is under the
    // passphrase.
    bundle["private"] = text_hex(seal_bytes(
        trust::load_private(project, history.consent, key).to_json().dump(), {key}, "private"));
    bundle["evidence"] = text_hex(
        seal_bytes(trust::load_evidence(project, history.consent, key), {key}, "evidence"));
  }
  std::error_code ec;
  if (fs::exists(out, ec))
    throw Error(ErrorCode::kUsage, out.string() + " exists already", "name a new file");
  trust::deliver_text(out, bundle.dump(1) + "\n");
  return {{"subject", subject},
          {"consent", stored.record.at("id")},
          {"digest", trust::record_digest(stored.record)},
          {"full", full},
          {"file", out.string()}};
}

json consent_import(project::Project& project, const std::string& subject, const fs::path& file,
                    const std::string& trust_studio) {
  ProjectLock lock(project, "consent-" + subject);
  if (project.subject(subject).kind != project::SubjectKind::kPerson)
    throw Error(ErrorCode::kUsage, "'" + subject + "' is not a person",
                "consents are imported for subjects of kind person");
  const json bundle = trust::parse_json(read_file(file, 6ull << 30), file.string(), 6ull << 30);
  if (!bundle.is_object() || !bundle.contains("format") || bundle["format"] != kFormat ||
      !bundle.contains("record"))
    throw Error(ErrorCode::kBadInput, file.string() + " is not an exported consent",
                "make it with: likeness consent export PROJECT SUBJECT FILE");
  for (const char* needed : {"key", "private", "evidence"})
    if (!bundle.contains(needed))
      throw Error(ErrorCode::kBadInput, file.string() + " has only the signed record",
                  "to use the consent here, export it with --full; to check it, say: likeness "
                  "consent verify FILE");
  const json& record = bundle["record"];
  trust::check_record(record);
  if (!trust_studio.empty()) trust::trust_studio(trust_studio);
  auto refuse = [&](const std::string& rule, const std::string& why, const std::string& hint) {
    throw Error(ErrorCode::kRefused, "the consent cannot be imported (" + rule + "): " + why, hint);
  };
  for (const auto& f : trust::examine_record(record, project::now_utc(), trust::trusted_studios()))
    if (!f.ok && f.rule != "consent-not-yet-valid")
      refuse(f.rule, f.text,
             f.rule == "consent-studio"
                 ? "when you know that studio, say --trust-studio with its did:key"
                 : "ask for a new consent");
  if (bundle.contains("revocation")) refuse("consent-revoked", "it was revoked", "ask again");
  if (record["credentialSubject"]["alias"] != subject)
    refuse("consent-other-subject",
           "it is about '" + record["credentialSubject"]["alias"].get<std::string>() + "'",
           "import it for a subject of that name");
  trust::Ledger book(trust::ledger_path(project));
  const std::string id = record["id"].get<std::string>().substr(9);
  for (const auto& e : book.read())
    if (e.type == "consent-revoked" && e.body.value("consent", "") == id)
      refuse("consent-revoked", "it was revoked in this project", "ask for a new consent");
  trust::vault_import_key(bundle["key"]);
  const std::string key_id = bundle["key"]["id"];
  const SealKey key = trust::vault_key(key_id, subject);
  auto open = [&](const char* name) {
    const auto bytes = bundle[name].is_string()
                           ? hex_decode(bundle[name].get_ref<const std::string&>())
                           : std::nullopt;
    if (!bytes) throw Error(ErrorCode::kDamaged, "the bundle is damaged", "export it again");
    return unseal_bytes(*bytes, {key});
  };
  const auto secret =
      trust::PrivatePart::from_json(trust::parse_json(open("private"), "private part"));
  const fs::path part = temporary_name(project.folder() / "work" / "evidence.import");
  std::error_code ec;
  fs::create_directories(part.parent_path(), ec);
  const std::string evidence = open("evidence");
  if (record["evidence"][0].contains("sha256") &&
      sha256(evidence) != record["evidence"][0]["sha256"])
    refuse("consent-evidence-changed", "the evidence is not what was signed", "export it again");
  fs::remove_all(trust::consent_folder(project, id), ec);
  write_file_atomic(part, evidence);
  try {
    trust::store_consent(project, id, record, secret, key, part);
  } catch (...) {
    trust::shred_file(part);
    throw;
  }
  trust::shred_file(part);
  const json& s = record["credentialSubject"];
  book.append("consent-recorded", {{"subject", subject},
                                   {"consent", id},
                                   {"digest", trust::record_digest(record)},
                                   {"basis", s["basis"]},
                                   {"operations", s["operations"]},
                                   {"valid_until", record["validUntil"]},
                                   {"imported", true},
                                   {"key", key_id}});
  return {{"subject", subject}, {"consent", record["id"]}, {"valid_until", record["validUntil"]}};
}

}  // namespace likeness::tasks
