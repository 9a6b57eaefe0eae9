// SPDX-License-Identifier: Apache-2.0
// request and record.
#include "likeness/tasks/consent_ops.h"

#include <algorithm>

#include <sys/stat.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/sealed_file.h"
#include "likeness/faceset/faceset.h"
#include "likeness/media/audio_samples.h"
#include "likeness/media/video.h"
#include "likeness/tasks/consent_evidence.h"
#include "likeness/tasks/consent_internal.h"
#include "likeness/tasks/consent_words.h"
#include "likeness/tasks/recogniser.h"
#include "likeness/tasks/runner.h"
#include "likeness/trust/gate.h"
#include "likeness/trust/jcs.h"
#include "likeness/trust/phrase.h"
#include "likeness/trust/vault.h"
#include "likeness/trust/verify.h"
#include "likeness/trust/watermark_audio.h"
#include "likeness/trust/watermark_video.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

[[noreturn]] void refused(const std::string& rule, const std::string& why,
                          const std::string& hint) {
  throw Error(ErrorCode::kRefused, "the consent cannot be recorded (" + rule + "): " + why, hint);
}

std::string words(const json& list) {
  std::string out;
  for (const auto& w : list) out += (out.empty() ? "" : ", ") + w.get<std::string>();
  return out.empty() ? "any" : out;
}

/// What the person reads to camera.
std::string script_of(const json& record, const std::string& name, const std::string& phrase) {
  const json& s = record["credentialSubject"];
  const std::string studio = s["terms"]["studio"];
  std::string text = "I am " + (name.empty() ? "[your name]" : name) +
                     ". I am of age. I agree that " + (studio.empty() ? "this studio" : studio) +
                     " uses my " + words(s["modalities"]) + " for: " + words(s["operations"]) +
                     ".\n";
  text += "It is meant for: " + s["terms"]["description"].get<std::string>() + "\n";
  text += "Uses: " + words(s["scope"]["uses"]) +
          ". Never for: " + (s["scope"]["excluded"].empty() ? "-" : words(s["scope"]["excluded"])) +
          ".\n";
  text += "Languages: " + words(s["scope"]["languages"]) +
          ". Territories: " + words(s["scope"]["territories"]) + ".\n";
  text += "This holds until " + record["validUntil"].get<std::string>().substr(0, 10) +
          ". I can withdraw it at any time.\n";
  return text + "The words are: " + phrase + ".\n";
}

struct Request {
  std::string id;
  json file;
};

/// The request to be recorded; the ledger says whether its file is unchanged.
Request find_request(const project::Project& project, const std::vector<trust::LedgerEntry>& ledger,
                     const std::string& subject, const std::string& id) {
  for (auto e = ledger.rbegin(); e != ledger.rend(); ++e) {
    if (e->type != "consent-requested" || e->body.value("subject", "") != subject) continue;
    const std::string found = e->body.value("request", "");
    std::error_code ec;
    const fs::path path = trust::request_path(project, found);
    if ((!id.empty() && found != id) || !fs::exists(path, ec)) continue;
    Request r{found, trust::parse_json(read_file(path), path.string())};
    if (sha256(trust::canonical_json(r.file)) != e->body.value("digest", ""))
      refused("request-changed", "the request " + found + " was changed after it was made",
              "ask again with: likeness consent request");
    return r;
  }
  throw Error(ErrorCode::kNotFound,
              "there is no open request for the consent of '" + subject + "'" +
                  (id.empty() ? "" : " with the id " + id),
              "ask first with: likeness consent request PROJECT " + subject);
}

face::Embedding faceset_mean(const project::Project& project, const std::string& subject) {
  const fs::path path = project.faceset_path(subject);
  std::error_code ec;
  if (!fs::exists(path, ec))
    throw Error(ErrorCode::kNotFound,
                "there is no faceset of '" + subject + "' to compare the evidence with",
                "make it first with: likeness extract PROJECT VIDEO --subject " + subject);
  auto set = faceset::Faceset::open(path);
  if (!sealed_info(path)) {  // of a version before consents: from now on it is sealed
    faceset::rewrite(set, set.items(), path);
    set = faceset::Faceset::open(path);
  }
  if (std::none_of(set.items().begin(), set.items().end(),
                   [](const auto& i) { return i.has_embedding && !i.excluded; }))
    throw Error(ErrorCode::kNoFace, "the faceset of '" + subject + "' has no recognisable face",
                "extract from better footage");
  return faceset::mean_embedding(set);
}

void check_request_is_fresh(const json& request, const fs::path& video) {
  const std::string now = project::now_utc(), expires = request.at("expiresAt");
  if (now > expires)
    refused("phrase-expired", "its words were valid until " + expires,
            "ask again with: likeness consent request, and record new words");
  struct stat st {};
  if (::stat(video.c_str(), &st) != 0) return;
  const std::string made = trust::utc_plus("1970-01-01T00:00:00Z", st.st_mtim.tv_sec);
  if (made < request.at("issuedAt").get<std::string>())
    refused("evidence-older-than-request",
            "the video was last written at " + made + ", before the words were made",
            "record the person reading the words of this request");
}

/// A cloned voice, or a swapped face, must not agree for its owner: what says itself that it was
/// made (manifest, mark in the picture as framed, mark in the sound) is no evidence.
json check_not_made(const fs::path& video) {
  constexpr int kRateHz = 48000;
  constexpr double kMostS = 64;
  const auto no = [](const std::string& what) {
    refused("evidence-synthetic", what + " says that it was made",
            "record the person, not a picture or a voice of them");
  };
  const auto said = trust::verify(video, {.projects = {}, .read_watermark = false});
  if (said.json.value("claims_ai", false)) no("its manifest");
  const auto& key = trust::WatermarkKey::product();
  const media::VideoInfo info = media::probe(video);
  if (trust::can_carry_watermark("video", info.width, info.height) &&
      trust::read_video_watermark(video, key, trust::WatermarkSearch::kQuick).found)
    no("the mark in its picture");
  const AudioClip sound{kRateHz, 1, media::read_mono(video, kRateHz, kMostS)};
  if (!sound.samples.empty() && trust::read_audio_watermark(sound).found)
    no("the mark in its sound");
  return {{"ok", true}, {"method", "manifest and marks"}};
}

/// That the words of the request are in the video: by the recogniser; by the reviewer where none
/// could listen, or where the recogniser does not understand this person and the reviewer says why.
json check_words(const json& request, const fs::path& video, const RecordOptions& options) {
  const json& record = request.at("record");
  const std::string phrase = request.at("phrase");
  const HeardPhrase heard = hear_phrase(
      video, phrase, script_of(record, request.at("private").value("name", ""), phrase));
  if (heard.ok()) return {{"method", "recogniser"}, {"ok", true}, {"recogniser", heard.to_json()}};
  const bool may_decide = options.words_confirmed && !options.reviewer.empty();
  if (heard.listened && !(may_decide && !options.words_reason.empty()))
    refused("evidence-other-words",
            "the recogniser heard " + std::to_string(heard.right) + " of its " +
                std::to_string(heard.of) + " words, " + std::to_string(kLeastRightWords) +
                " are needed; at the end it understood \"" + heard.heard + "\"",
            "read the words of this request again, more slowly, one by one and nearer to the "
            "microphone. For a person whose speech the recogniser does not understand a reviewer "
            "who heard the words may say so: --words-confirmed --words-reason \"…\"; the reason "
            "is written into the signed record");
  if (!may_decide)
    throw Error(ErrorCode::kUsage, heard.why + ": somebody must confirm the words",
                "listen to the video; when the words are right, add --words-confirmed");
  json out = {{"method", heard.listened ? "reviewer-despite-recogniser" : "reviewer"},
              {"ok", true},
              {"by", options.reviewer},
              {"recogniser", heard.to_json()}};
  if (heard.listened) out["reason"] = options.words_reason;
  return out;
}

json statement_evidence(const json& request, const fs::path& video, const EvidenceReport& report,
                        const json& made, const RecordOptions& options) {
  json checks = report.to_json();
  checks["transcript"] = check_words(request, video, options);
  checks["synthetic"] = made;
  return {{"type", "SpokenPasscodeVideo"},
          {"sha256", sha256_file(video)},
          {"name", video.filename().string()},
          {"nonce", request.at("nonce")},
          {"phrase", request.at("phrase")},
          {"capturedAt", project::now_utc()},
          {"checks", checks},
          {"models", evidence_models()},
          {"reviewer", options.reviewer}};
}

json document_evidence(const std::string& basis, const fs::path& document,
                       const RecordOptions& options) {
  json e = {{"type", basis == "licence"  ? "LicenceDocument"
                     : basis == "estate" ? "EstateDocument"
                                         : "SyntheticDeclaration"},
            {"capturedAt", project::now_utc()},
            {"reviewer", options.reviewer}};
  if (basis == "synthetic") {
    e["statement"] = "nobody real: made by a program, not after a particular person";
    return e;
  }
  e["sha256"] = sha256_file(document);
  e["name"] = document.filename().string();
  return e;
}

void check_record_call(const std::string& basis, const fs::path& evidence,
                       const RecordOptions& options) {
  if (options.reviewer.empty())
    throw Error(ErrorCode::kUsage, "nobody is named who checked the evidence",
                "say --reviewer \"NAME\"; the name is written into the record");
  std::error_code ec;
  if (basis != "synthetic" && evidence.empty())
    throw Error(ErrorCode::kUsage,
                basis == "statement" ? "a statement needs the video in which it is read"
                                     : "the document of the " + basis + " is not named",
                "give the file: likeness consent record PROJECT SUBJECT FILE --reviewer NAME");
  if (basis != "synthetic" && !fs::is_regular_file(evidence, ec))
    throw Error(ErrorCode::kNotFound, "cannot open " + evidence.string(), "check the path");
  constexpr size_t kShortestReason = 10;
  if (!options.words_reason.empty() &&
      (!options.words_confirmed || options.words_reason.size() < kShortestReason))
    throw Error(
        ErrorCode::kUsage,
        "a reason against the recogniser needs --words-confirmed, and a sentence of its own",
        "say why this person is not understood: --words-reason \"…\"");
  if (basis == "statement" && !options.words_confirmed && !recogniser_installed())
    throw Error(ErrorCode::kUsage,
                "no speech recogniser is installed: somebody must confirm the words",
                "listen to the video; when the words are right, add --words-confirmed");
}

/// Signs, stores, and only then tells the ledger: a kill leaves no record or the whole one.
json seal_and_store(project::Project& project, const std::string& subject, const Request& request,
                    json record, const trust::PrivatePart& secret,
                    const std::optional<SealKey>& key, const fs::path& evidence) {
  const std::string now = project::now_utc();
  trust::add_proof(record, trust::SigningKey::load(request.file.at("personKey").get<std::string>()),
                   now);
  trust::add_proof(record, trust::studio_key(), now);
  trust::check_record(record);
  for (const auto& f : trust::examine_record(record, now, trust::trusted_studios()))
    if (!f.ok && f.rule != "consent-not-yet-valid") refused(f.rule, f.text, "ask again");
  std::error_code ec;
  fs::remove_all(trust::consent_folder(project, request.id), ec);  // of a killed attempt
  trust::store_consent(project, request.id, record, secret, key, evidence);
  const json& s = record["credentialSubject"];
  const std::string digest = trust::record_digest(record);
  trust::Ledger(trust::ledger_path(project))
      .append("consent-recorded", {{"subject", subject},
                                   {"consent", request.id},
                                   {"digest", digest},
                                   {"basis", s["basis"]},
                                   {"operations", s["operations"]},
                                   {"valid_until", record["validUntil"]},
                                   {"reviewer", record["evidence"][0]["reviewer"]},
                                   {"words", trust::words_told(record)},
                                   {"key", key ? key->id : ""}});
  fs::remove(trust::request_path(project, request.id), ec);
  return {{"consent", "urn:uuid:" + request.id},
          {"digest", digest},
          {"subject", subject},
          {"basis", s["basis"]},
          {"valid_until", record["validUntil"]},
          {"checks", record["evidence"][0].value("checks", json::object())},
          {"record", record}};
}

}  // namespace

json consent_request(project::Project& project, const std::string& subject,
                     const trust::ConsentTerms& terms, int phrase_minutes,
                     const fs::path& person_key) {
  ProjectLock lock(project, "consent-" + subject);
  const project::Subject s = project.subject(subject);
  const bool person = s.kind == project::SubjectKind::kPerson;
  if (person == (terms.basis == "synthetic"))
    throw Error(ErrorCode::kUsage,
                person ? "'" + subject + "' is a person: a synthetic declaration is not for them"
                       : "'" + subject + "' is not a person: nobody can be asked",
                person ? "choose --basis statement, licence or estate"
                       : "the declaration of `subject add` is enough; --basis synthetic signs it");
  if (phrase_minutes < 1 || phrase_minutes > kMaxPhraseMinutes)
    throw Error(ErrorCode::kUsage, "the words cannot be valid for so long",
                "say --phrase-minutes 1 to " + std::to_string(kMaxPhraseMinutes));
  trust::Ledger ledger(trust::ledger_path(project));
  const auto history = trust::subject_history(ledger.read(), subject);
  if (person && !history.key.empty() && history.revoked && !trust::vault_has(history.key)) {
    const std::string key = trust::vault_make_key(project.name(), subject);
    ledger.append("material-key", {{"subject", subject}, {"key", key}});
  }
  const std::string id = trust::new_uuid(), now = project::now_utc();
  fs::path key_path = person_key;
  if (key_path.empty()) {
    key_path = trust::subject_key_path(id);
    trust::SigningKey::generate().save(key_path);
  }
  const auto key = trust::SigningKey::load(key_path);
  const std::string salt = hex(trust::random_bytes(32));
  const json record =
      trust::consent_terms_json(terms, id, project.name(), subject,
                                trust::name_hash(salt, terms.name), key.public_key(), now);
  const std::string nonce = hex(trust::random_bytes(16));
  const std::string phrase = trust::phrase_of(trust::terms_text(record), nonce);
  const json request = {{"record", record},
                        {"nonce", nonce},
                        {"phrase", phrase},
                        {"issuedAt", now},
                        {"expiresAt", trust::utc_plus(now, int64_t{60} * phrase_minutes)},
                        {"personKey", fs::absolute(key_path).string()},
                        {"private", {{"name", terms.name}, {"salt", salt}}}};
  write_file_atomic(trust::request_path(project, id), request.dump(1) + "\n");
  ::chmod(trust::request_path(project, id).c_str(), 0600);
  ledger.append(
      "consent-requested",
      {{"subject", subject}, {"request", id}, {"digest", sha256(trust::canonical_json(request))}});
  json out = {{"request", id},
              {"subject", subject},
              {"basis", terms.basis},
              {"person", key.public_key().did()},
              {"person_key", key_path.string()},
              {"record", record}};
  if (terms.basis == "statement") {
    out["phrase"] = phrase;
    out["expires_at"] = request["expiresAt"];
    out["script"] = script_of(record, terms.name, phrase);
  }
  return out;
}

json consent_record(project::Project& project, const std::string& subject, const fs::path& evidence,
                    const RecordOptions& options, Progress& progress, const Cancel& cancel) {
  ProjectLock lock(project, "consent-" + subject);
  trust::Ledger ledger(trust::ledger_path(project));
  const auto entries = ledger.read();
  Request request = find_request(project, entries, subject, options.request);
  json record = request.file.at("record");
  const std::string basis = record.at("credentialSubject").at("basis");
  check_record_call(basis, evidence, options);
  trust::PrivatePart secret{
      request.file.at("private").at("name"), request.file.at("private").at("salt"), {}};
  if (basis == "synthetic") {
    record["evidence"] = json::array({document_evidence(basis, evidence, options)});
    return seal_and_store(project, subject, request, record, secret, {}, {});
  }
  const auto unlocked = trust::authorise(project, {.task = "consent",
                                                   .operation = trust::Operation::kAnalyse,
                                                   .subjects = {{subject, trust::Role::kFootage}}});
  ProjectLock faces(project, "faceset-" + subject);
  const face::Embedding known = faceset_mean(project, subject);
  face::Embedding face = known;
  if (basis == "statement") {
    check_request_is_fresh(request.file, evidence);
    const json made = check_not_made(evidence);
    const EvidenceReport report = check_evidence(evidence, known, progress, cancel);
    if (!report.failed.empty()) refused(report.failed, report.why, report.hint);
    face = report.face;
    record["evidence"] =
        json::array({statement_evidence(request.file, evidence, report, made, options)});
  } else {
    record["evidence"] = json::array({document_evidence(basis, evidence, options)});
  }
  secret.face.assign(face.begin(), face.end());
  record["biometricCommitment"] = {{"face", trust::face_commitment(secret.salt, secret.face)}};
  const SealKey key =
      trust::material_key(project, subject, trust::subject_history(ledger.read(), subject));
  return seal_and_store(project, subject, request, record, secret, key, evidence);
}

json consent_pending(const project::Project& project) {
  const auto ledger = trust::Ledger(trust::ledger_path(project)).read();
  const std::string now = project::now_utc();
  json out = json::array();
  std::error_code ec;
  for (auto e = ledger.rbegin(); e != ledger.rend(); ++e) {
    if (e->type != "consent-requested") continue;
    const std::string id = e->body.value("request", "");
    const fs::path path = trust::request_path(project, id);
    if (!fs::exists(path, ec)) continue;
    try {
      const json file = trust::parse_json(read_file(path), path.string());
      const json& record = file.at("record");
      const std::string basis = record.at("credentialSubject").at("basis");
      json j = {{"request", id},
                {"subject", e->body.value("subject", "")},
                {"basis", basis},
                {"expires_at", file.at("expiresAt")},
                {"expired", now > file.at("expiresAt").get<std::string>()}};
      if (basis == "statement") {
        j["phrase"] = file.at("phrase");
        j["script"] = script_of(record, file.at("private").value("name", ""), file.at("phrase"));
      }
      out.push_back(std::move(j));
    } catch (const std::exception& error) {
      out.push_back(
          {{"request", id}, {"subject", e->body.value("subject", "")}, {"error", error.what()}});
    }
  }
  return out;
}

}  // namespace likeness::tasks
