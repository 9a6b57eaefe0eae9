// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/consent_store.h"

#include <cstring>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/trust/finish.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/vault.h"

namespace likeness::trust {
namespace fs = std::filesystem;
namespace {

std::string text_of(const nlohmann::json& j, const char* key) {
  return j.is_object() && j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : "";
}

std::span<const uint8_t> bytes_of(const std::string& s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

/// The file as it lies on the disk: read_file would try to open a sealed one.
std::string sealed_file(const fs::path& path) {
  std::error_code ec;
  if (!fs::exists(path, ec))
    throw Error(ErrorCode::kNotFound, path.string() + " is missing",
                "restore the project's consents folder from a copy");
  std::string out(fs::file_size(path), '\0');
  FILE* in = std::fopen(path.c_str(), "rbe");
  const size_t got = in ? std::fread(out.data(), 1, out.size(), in) : 0;
  if (in) std::fclose(in);
  if (got != out.size())
    throw Error(ErrorCode::kIo, "cannot read " + path.string(), "check the disk");
  return out;
}

}  // namespace

SubjectHistory subject_history(const std::vector<LedgerEntry>& ledger, const std::string& subject) {
  SubjectHistory h;
  for (const auto& e : ledger) {
    if (text_of(e.body, "subject") != subject) continue;
    if (e.type == "subject-declared") {
      h.is_person = h.is_person || text_of(e.body, "kind") == "person";
    } else if (e.type == "material-key") {
      h.is_person = true;
      h.key = text_of(e.body, "key");
    } else if (e.type == "consent-recorded") {
      if (text_of(e.body, "basis") == "synthetic") continue;  // a signed declaration, nobody real
      h.is_person = true;
      h.consent = text_of(e.body, "consent");
      h.digest = text_of(e.body, "digest");
      h.key = text_of(e.body, "key");
      h.recorded_at = e.at;
      h.revoked = false;
    } else if (e.type == "consent-revoked" && text_of(e.body, "consent") == h.consent) {
      h.revoked = true;
      h.revoked_at = e.at;
    }
  }
  return h;
}

std::vector<std::string> consent_ids(const std::vector<LedgerEntry>& ledger,
                                     const std::string& subject) {
  std::vector<std::string> out;
  for (const auto& e : ledger)
    if (e.type == "consent-recorded" && text_of(e.body, "subject") == subject)
      out.push_back(text_of(e.body, "consent"));
  return out;
}

nlohmann::json PrivatePart::to_json() const {
  std::string bytes(face.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), face.data(), bytes.size());
  return {{"name", name}, {"salt", salt}, {"face", hex(bytes_of(bytes))}};
}
PrivatePart PrivatePart::from_json(const nlohmann::json& j) {
  PrivatePart p{text_of(j, "name"), text_of(j, "salt"), {}};
  const auto bytes = hex_decode(text_of(j, "face"));
  if (p.salt.empty() || !bytes || bytes->size() % sizeof(float) || bytes->size() > 65536)
    throw Error(ErrorCode::kDamaged, "the private part of a consent is damaged",
                "restore the project's consents folder from a copy");
  p.face.resize(bytes->size() / sizeof(float));
  // An empty vector has no address to copy to.
  if (!p.face.empty()) std::memcpy(p.face.data(), bytes->data(), bytes->size());
  return p;
}

std::string name_hash(const std::string& salt, const std::string& name) {
  return hmac_sha256_hex(salt, "name:" + name);
}
std::string face_commitment(const std::string& salt, const std::vector<float>& face) {
  return hmac_sha256_hex(salt, "face:" + std::string(reinterpret_cast<const char*>(face.data()),
                                                     face.size() * sizeof(float)));
}

fs::path consents_folder(const project::Project& project) { return project.folder() / "consents"; }
fs::path consent_folder(const project::Project& project, const std::string& id) {
  project::check_name("consent", id);
  return consents_folder(project) / id;
}
fs::path request_path(const project::Project& project, const std::string& id) {
  project::check_name("consent", id);
  return consents_folder(project) / "requests" / (id + ".json");
}

StoredConsent load_consent(const project::Project& project, const std::string& id) {
  const fs::path folder = consent_folder(project, id);
  std::error_code ec;
  if (!fs::exists(folder / "record.json", ec))
    throw Error(ErrorCode::kNotFound, "the consent record " + id + " is not in the project",
                "restore the project's consents folder from a copy");
  StoredConsent out{id, parse_json(read_file(folder / "record.json"), "record.json"), {}};
  if (fs::exists(folder / "revocation.json", ec))
    out.revocation = parse_json(read_file(folder / "revocation.json"), "revocation.json");
  return out;
}

void store_consent(const project::Project& project, const std::string& id,
                   const nlohmann::json& record, const PrivatePart& secret,
                   const std::optional<SealKey>& key, const fs::path& evidence) {
  const fs::path folder = consent_folder(project, id), building = temporary_name(folder);
  std::error_code ec;
  fs::remove_all(building, ec);
  fs::create_directories(building, ec);
  if (ec) throw_errno(ec.value(), "cannot create " + folder.string());
  try {
    const std::string label = nlohmann::json{{"consent", id}}.dump();
    if (key)
      write_file_atomic(building / "private.sealed",
                        seal_bytes(secret.to_json().dump(), {*key}, label));
    if (key && !evidence.empty())
      write_file_atomic(building / "evidence.sealed",
                        seal_bytes(read_file(evidence, 4ull << 30), {*key}, label));
    write_file_atomic(building / "record.json", record.dump(1) + "\n");
    fs::rename(building, folder, ec);
    if (ec) throw_errno(ec.value(), "cannot create " + folder.string());
  } catch (...) {
    fs::remove_all(building, ec);
    throw;
  }
}

PrivatePart load_private(const project::Project& project, const std::string& id,
                         const SealKey& key) {
  const std::string sealed = sealed_file(consent_folder(project, id) / "private.sealed");
  return PrivatePart::from_json(
      parse_json(unseal_bytes(bytes_of(sealed), {key}), "private part of the consent"));
}

std::string load_evidence(const project::Project& project, const std::string& id,
                          const SealKey& key) {
  return unseal_bytes(bytes_of(sealed_file(consent_folder(project, id) / "evidence.sealed")),
                      {key});
}
std::string stored_evidence_hash(const project::Project& project, const std::string& id,
                                 const SealKey& key) {
  std::error_code ec;
  if (!fs::exists(consent_folder(project, id) / "evidence.sealed", ec)) return "";
  return sha256(load_evidence(project, id, key));
}

SealKey material_key(const project::Project& project, const std::string& subject,
                     const SubjectHistory& history) {
  if (!history.key.empty()) return vault_key(history.key, subject);
  const std::string id = vault_make_key(project.name(), subject);
  Ledger(ledger_path(project)).append("material-key", {{"subject", subject}, {"key", id}});
  return vault_key(id, subject);
}

void declare_subject(const project::Project& project, const project::Subject& subject) {
  Ledger ledger(ledger_path(project));
  const auto history = subject_history(ledger.read(), subject.name);
  if (history.is_person && subject.kind != project::SubjectKind::kPerson)
    throw Error(ErrorCode::kRefused,
                "'" + subject.name + "' was declared a person before (declaration-changed)",
                "choose another name for somebody else");
  ledger.append("subject-declared", {{"subject", subject.name},
                                     {"kind", project::subject_kind_name(subject.kind)},
                                     {"licence", subject.licence},
                                     {"declared_by", subject.declared_by}});
}

project::Subject add_declared_subject(project::Project& project, const project::Subject& subject) {
  Ledger(ledger_path(project)).require_ours();
  project.add_subject(subject);
  const project::Subject stored = project.subject(subject.name);
  declare_subject(project, stored);
  return stored;
}

}  // namespace likeness::trust
