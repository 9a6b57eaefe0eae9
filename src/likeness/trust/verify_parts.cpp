// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/verify_parts.h"

#include <algorithm>
#include <array>
#include <map>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/project/project.h"
#include "likeness/trust/consent_store.h"
#include "likeness/trust/ledger.h"
#include "likeness/trust/provenance.h"

namespace likeness::trust {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

/// Foreign JSON: a member of the wrong type is as good as none.
std::string text(const json& j, const char* key) {
  if (!j.is_object()) return "";
  const auto it = j.find(key);
  return it != j.end() && it->is_string() ? it->get<std::string>() : std::string();
}
const json& member(const json& j, const char* key) {
  static const json kNull;
  if (!j.is_object()) return kNull;
  const auto it = j.find(key);
  return it == j.end() ? kNull : *it;
}
const json& first(const json& j) {
  static const json kNull;
  return j.is_array() && !j.empty() ? j.front() : kNull;
}

bool is_ai(const std::string& source_type) {
  static constexpr std::array kWords = {"trainedAlgorithmicMedia",
                                        "compositeWithTrainedAlgorithmicMedia",
                                        "compositeSynthetic", "algorithmicMedia"};
  const size_t slash = source_type.rfind('/');
  const std::string word = slash == std::string::npos ? source_type : source_type.substr(slash + 1);
  return std::any_of(kWords.begin(), kWords.end(), [&](const char* w) { return word == w; });
}

std::string action_words(const std::string& action, const std::string& source_type) {
  static const std::map<std::string, std::string> kWords = {
      {"c2pa.opened", "an existing file was opened"},
      {"c2pa.created", "it was made new"},
      {"c2pa.edited", "it was changed"},
      {"c2pa.placed", "other material was put into it"},
      {"c2pa.translated", "what is said was translated"},
      {"c2pa.dubbed", "speech was replaced"},
      {"c2pa.trimmed", "it was cut in time"},
      {"c2pa.cropped", "it was cropped"},
      {"c2pa.adjustedColor", "colours were changed"},
      {"c2pa.watermarked.bound", "an invisible mark was put in that leads to this manifest"},
      {"c2pa.watermarked.unbound", "an invisible mark was put in"},
      {"c2pa.transcoded", "it was encoded again"}};
  const auto it = kWords.find(action);
  std::string words = it == kWords.end() ? "\"" + action + "\"" : it->second;
  if (is_ai(source_type)) words += ", with a generated (AI) part";
  return words;
}

std::string failure_words(const std::string& code) {
  const auto has = [&](const char* w) { return code.find(w) != std::string::npos; };
  if (has("Hash.mismatch") && !has("hashedURI"))
    return "the picture or sound was changed after signing";
  if (has("hashedURI")) return "a statement in the manifest was changed after signing";
  if (has("claimSignature")) return "the signature does not fit the manifest";
  if (has("expired")) return "the signer's certificate has run out";
  if (has("revoked")) return "the signer's certificate was revoked";
  if (has("untrusted")) return "the signer is not known here";
  return "the manifest breaks the rule " + code;
}

/// The library leaves a first version's ".v1" out of its report.
bool is_label(const std::string& reported, const std::string& label) {
  return reported == label || reported + ".v1" == label;
}

json failures_of(const json& report) {
  json out = json::array();
  const auto add = [&](const json& list, const char* where) {
    if (!list.is_array()) return;
    for (const json& f : list) {
      const std::string code = text(f, "code");
      if (code.empty() || code == "signingCredential.untrusted") continue;
      out.push_back({{"code", code}, {"words", failure_words(code)}, {"where", where}});
    }
  };
  const json& results = member(report, "validation_results");
  add(member(member(results, "activeManifest"), "failure"), "this file");
  return out;
}

/// Actions of a manifest; sets `ai` when one of them, or the disclosure, says so.
json actions_of(const json& manifest, bool& ai) {
  json out = json::array();
  const json& assertions = member(manifest, "assertions");
  if (!assertions.is_array()) return out;
  for (const json& a : assertions) {
    const std::string label = text(a, "label");
    if (label.rfind("c2pa.ai-disclosure", 0) == 0) ai = true;
    if (label.rfind("c2pa.actions", 0) != 0) continue;
    const json& actions = member(member(a, "data"), "actions");
    if (!actions.is_array()) continue;
    for (const json& one : actions) {
      const std::string name = text(one, "action"), type = text(one, "digitalSourceType");
      ai = ai || is_ai(type);
      out.push_back({{"action", name},
                     {"source_type", type},
                     {"when", text(one, "when")},
                     {"words", action_words(name, type)}});
    }
  }
  return out;
}

json ingredients_of(const json& manifest, const json& manifests, int depth, bool& ai) {
  json out = json::array();
  const json& list = member(manifest, "ingredients");
  if (!list.is_array()) return out;
  for (const json& i : list) {
    const std::string label = text(i, "active_manifest");
    json one = {{"title", text(i, "title")},
                {"relationship", text(i, "relationship")},
                {"has_manifest", !label.empty()}};
    if (!label.empty() && depth < 8) {  // a file's history may be long, a loop is an attack
      bool inner = false;
      const json& m = member(manifests, label.c_str());
      one["actions"] = actions_of(m, inner);
      one["ingredients"] = ingredients_of(m, manifests, depth + 1, inner);
      one["signer"] = text(member(m, "signature_info"), "common_name");
      one["claims_ai"] = inner;
      bool changed = false;
      const json& failures =
          member(member(member(i, "validation_results"), "activeManifest"), "failure");
      if (failures.is_array())
        for (const json& f : failures)
          changed = changed || text(f, "code") != "signingCredential.untrusted";
      one["state"] = changed ? "invalid" : "valid";
      ai = ai || inner;
    }
    out.push_back(std::move(one));
  }
  return out;
}

/// One identity against the projects at hand.
void check_consent(json& identity, const std::vector<fs::path>& projects) {
  const std::string id = text(identity, "consentId"), digest = text(identity, "digest");
  if (id.empty()) {
    identity["state"] = "no-person";
    identity["why"] = text(identity, "basis") == "licensed-declared"
                          ? "licensed material, by the studio's declaration"
                          : "nobody real, by the studio's declaration";
    return;
  }
  identity["state"] = "not-here";
  identity["why"] =
      "the consent record is not in a project named here; only its number and digest "
      "are in the file";
  for (const fs::path& folder : projects) {
    try {
      const auto project = project::Project::open(folder);
      const StoredConsent stored = load_consent(project, id);
      std::string problem;
      if (record_digest(stored.record) != digest)
        problem = "the record kept here is another one than the file was made with";
      else if (stored.revocation)
        problem = "it was revoked; the file must not be used any more";
      for (const Finding& f : examine_record(stored.record, project::now_utc(), trusted_studios()))
        if (problem.empty() && !f.ok) problem = f.text;
      identity["state"] = problem.empty() ? "holds" : "broken";
      identity["why"] =
          problem.empty() ? "the record is here, signed, in force and not revoked" : problem;
      return;
    } catch (const Error&) {  // not in this one
    }
  }
}

struct Words {
  std::string summary, advice;
};

Words words_of(Verdict verdict, const json& j, const Evidence& e) {
  const std::string by = j["manifest"].is_object() ? text(j["manifest"], "signer") : "";
  const std::string signer = e.trusted ? "signed by \"" + by + "\", who is known here"
                                       : "signed by \"" + by + "\", who is not known here";
  switch (verdict) {
    case Verdict::kSyntheticVerified:
      if (!e.mark && !e.short_mark && e.no_mark_stated)
        return {"Synthetic, verified: unchanged since it was " + signer +
                    "; the manifest says it was made with AI, and that no mark can be read from it "
                    "(" +
                    text(member(j["manifest"], "mark_state"), "why") + ").",
                "Without its manifest nothing would tell what it is: keep the two together."};
      if (!e.mark && !e.short_mark)
        return {"Synthetic, verified: unchanged since it was " + signer +
                    "; the manifest says it was made with AI. The sound is too short for the whole "
                    "invisible mark, and the manifest names none.",
                "Without its manifest nothing would tell what it is: keep the file as it is."};
      return {"Synthetic, verified: unchanged since it was " + signer +
                  "; the manifest says it was made with AI, and the invisible mark agrees.",
              e.trusted ? "" : "Whether the signer can be believed is for you to decide."};
    case Verdict::kSyntheticDeclared:
      return {"Synthetic, declared: unchanged since it was " + signer +
                  "; the manifest says it was made with AI. No mark could be read" +
                  (e.named_mark ? std::string(", though the manifest names one.") : "."),
              e.named_mark ? "Very short or very plain clips hide a mark that cannot be read again."
                           : ""};
    case Verdict::kSyntheticByWatermark:
      return {"Synthetic: the manifest is gone, but the invisible mark of Likeness is in it.",
              j.contains("recovered") && !j["recovered"].empty()
                  ? "This is a copy of the file described below; it was encoded again or its "
                    "manifest was taken out."
                  : "The manifest with this number is not kept here; name the project that made it "
                    "with --project."};
    case Verdict::kSignedDocument:
      return {"A signed document: unchanged since it was " + signer +
                  (e.claims_ai ? "; the manifest names AI." : "; the manifest names no AI."),
              ""};
    case Verdict::kAuthentic:
      return {
          "Unchanged since it was " + signer + "; the manifest names no AI, and no mark was found.",
          "That is as good as the signer's word."};
    case Verdict::kNothing:
      if (j.contains("sealed") && !j["sealed"].value("opened", false))
        return {
            "Sealed: identity material of a person, encrypted. What it is can be said only "
            "where its key is.",
            "Not opened: " + text(j["sealed"], "why")};
      return {
          "Nothing found: " +
              std::string(e.manifest == Evidence::Manifest::kNone
                              ? "no manifest and no mark of Likeness."
                              : "the manifest names no AI, but its signer is not known here; no "
                                "mark was found."),
          "That does not mean that it is real."};
    case Verdict::kRecorded:
      return {
          "Recorded: it has no manifest of its own, but the ledger of its project has it with "
          "these bytes.",
          "Facesets and models stay in their project; they are not for showing."};
    case Verdict::kConflict:
      return {e.claims_ai
                  ? "Contradiction: manifest and mark are of two different files. The manifest was "
                    "put onto this file from elsewhere."
                  : "Contradiction: a valid manifest names no AI, but the mark of Likeness is in "
                    "it. The origin was washed, or the mark was forged.",
              "Do not rely on the manifest; ask where the file came from."};
    case Verdict::kChanged:
      if (e.manifest == Evidence::Manifest::kNone)
        return {"Changed: the ledger of its project records another content for this file.",
                "Restore it from a copy, or make it again."};
      return {"Changed: the file or its manifest is not what was signed.",
              (e.mark || e.short_mark)
                  ? "The mark of Likeness is still in it: it is synthetic, whatever was changed."
                  : "Get the file again from where it came from."};
  }
  return {};
}

}  // namespace

json describe_manifest(const json& report) {
  const std::string label = text(report, "active_manifest");
  const json& manifests = member(report, "manifests");
  const json& m = member(manifests, label.c_str());
  const std::string state = text(report, "validation_state");
  bool ai = false;
  json out = {{"state", state == "Trusted" ? "trusted"
                        : state == "Valid" ? "valid"
                                           : "invalid"},
              {"label", label}};
  const json& signature = member(m, "signature_info");
  out["signer"] = text(signature, "common_name");
  // Of a recovered manifest the state is invalid (it cannot fit the copy), its signer still known.
  out["signer_known"] = false;
  const json& good =
      member(member(member(report, "validation_results"), "activeManifest"), "success");
  if (good.is_array())
    for (const json& g : good)
      if (text(g, "code") == "signingCredential.trusted") out["signer_known"] = true;
  out["issuer"] = text(signature, "issuer");
  out["algorithm"] = text(signature, "alg");
  out["signed_at"] = text(signature, "time");
  const json& generator = first(member(m, "claim_generator_info"));
  out["generator"] = text(generator, "name") + " " + text(generator, "version");
  out["actions"] = actions_of(m, ai);
  out["ingredients"] = ingredients_of(m, manifests, 0, ai);
  out["failures"] = failures_of(report);
  out["watermark"] = nullptr;
  out["mark_state"] = nullptr;
  out["consents"] = json::array();
  const json& assertions = member(m, "assertions");
  if (assertions.is_array()) {
    for (const json& a : assertions) {
      const std::string name = text(a, "label");
      const json& data = member(a, "data");
      if (is_label(name, kConsentLabel) && member(data, "identities").is_array())
        out["consents"] = member(data, "identities");
      if (is_label(name, kMarkLabel) && !text(data, "state").empty())
        out["mark_state"] = {{"state", text(data, "state")}, {"why", text(data, "why")}};
      if (is_label(name, kSequenceLabel) && data.is_object() && data.contains("index") &&
          data["index"].is_number_integer() && member(data, "count").is_number_integer())
        out["sequence"] = {{"sequence", text(data, "sequence")},
                           {"index", data["index"]},
                           {"count", data["count"]},
                           {"frame_rate", member(data, "frameRate")}};
      if (name.rfind("c2pa.soft-binding", 0) == 0 && text(data, "alg") == kWatermarkAlgorithm) {
        const std::string value = text(first(member(data, "blocks")), "value");
        if (!value.empty()) out["watermark"] = value;
      }
    }
  }
  out["claims_ai"] = ai;
  return out;
}

json check_consents(const json& manifest, const std::vector<fs::path>& projects) {
  json out = json::array();
  const json& list = member(manifest, "consents");
  if (!list.is_array()) return out;
  for (const json& i : list) {
    if (!i.is_object()) continue;
    json one = i;
    check_consent(one, projects);
    out.push_back(std::move(one));
  }
  return out;
}

json ledger_lines(const fs::path& path, const Evidence& evidence,
                  const std::vector<fs::path>& projects) {
  json out = json::array();
  if (projects.empty()) return out;
  const std::string hash = sha256_file(path);
  const fs::path absolute = fs::absolute(path).lexically_normal();
  const std::string mark = evidence.mark ? watermark_text(*evidence.mark) : "";
  for (const fs::path& project : projects) {
    try {
      for (const LedgerEntry& e : Ledger(project / "ledger.jsonl").read()) {
        const json& o = member(e.body, "output");
        const bool same = text(o, "sha256") == hash,
                   here = !text(o, "path").empty() &&
                          (fs::absolute(project) / text(o, "path")).lexically_normal() == absolute;
        if (!same && !here && (mark.empty() || text(o, "watermark") != mark)) continue;
        out.push_back({{"project", project.string()},
                       {"line", e.seq + 1},
                       {"at", e.at},
                       {"task", text(member(e.body, "grant"), "task")},
                       {"path", text(o, "path")},
                       {"same_path", here},
                       {"same_bytes", same}});
      }
    } catch (const Error& e) {
      out.push_back({{"project", project.string()}, {"problem", e.what()}});
    }
  }
  return out;
}

void explain(Verification& v, const Evidence& e) {
  json& j = v.json;
  const Words words = words_of(v.verdict, j, e);
  if (j["manifest"].contains("failures") && v.verdict == Verdict::kChanged)
    for (const auto& f : j["manifest"]["failures"]) {
      const auto& p = j["problems"];
      if (std::find(p.begin(), p.end(), f["words"]) == p.end()) j["problems"].push_back(f["words"]);
    }
  if (j["manifest"].contains("why")) j["problems"].push_back(j["manifest"]["why"]);
  if (j.contains("consent"))
    for (const auto& c : j["consent"])
      if (c["state"] == "broken")
        j["problems"].push_back("the consent does not hold: " + c["why"].get<std::string>());
  j["verdict"] = verdict_name(v.verdict);
  j["summary"] = words.summary;
  j["advice"] = words.advice;
  j["claims_ai"] = e.claims_ai;
}

}  // namespace likeness::trust
