// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_ops.h"

#include <algorithm>
#include <cstdio>

#include "likeness/base/error.h"
#include "likeness/tasks/speak.h"
#include "likeness/tasks/voice_bank.h"
#include "likeness/tasks/voice_enroll.h"
#include "likeness/tasks/voice_enroll_store.h"
#include "likeness/trust/consent.h"
#include "likeness/voice/voice.h"

namespace likeness::tasks {

namespace {

/// What can be expected of it, and how much more speech would help.
nlohmann::json quality_of(const VoiceIndex& index) {
  const double speech_s = index.speech_s();
  const bool enough = speech_s >= kEnoughVoice_s, good = speech_s >= kGoodVoice_s;
  nlohmann::json notes = nlohmann::json::array();
  for (const auto& r : index.recordings)
    for (const auto& w : r.warnings) {
      notes.push_back({{"recording", r.name}});
      if (w.is_object()) notes.back().update(w);
    }
  return {{"level", good     ? "good"
                    : enough ? "enough"
                             : "little"},
          {"more_s", std::max(0.0, (enough ? kGoodVoice_s : kEnoughVoice_s) - speech_s)},
          {"recordings", index.recordings.size()},
          {"f0_median_hz", index.f0_median_hz()},
          {"notes", std::move(notes)}};
}

/// Minutes and clips, where the material can be opened now.
nlohmann::json enrolled_row(const project::Project& project, const project::Subject& subject) {
  std::error_code ec;
  const bool trained = std::filesystem::exists(enrolled_model_path(project, subject.name), ec);
  nlohmann::json j = {{"name", subject.name},
                      {"engine", "enrolled"},
                      {"language", ""},
                      {"rate_hz", kEnrolledRateHz},
                      {"kind", project::subject_kind_name(subject.kind)},
                      {"licence", subject.kind == project::SubjectKind::kPerson ? "consent"
                                  : subject.licence.empty()                     ? "synthetic"
                                                                                : subject.licence},
                      {"origin", "enrolled recordings"},
                      {"default", false},
                      {"trained", trained},
                      {"works", trained},
                      {"minutes", nullptr},
                      {"clips", nullptr},
                      {"clips_with_text", nullptr},
                      {"quality", nullptr}};
  if (!trained)
    j["problem"] = "it must be trained first: likeness voice train PROJECT " + subject.name;
  try {
    const auto grant =
        trust::authorise(project, {.task = "voice list",
                                   .operation = trust::Operation::kAnalyse,
                                   .modality = "voice",
                                   .subjects = {{subject.name, trust::Role::kFootage}}});
    const VoiceIndex index = read_voice_index(enrolled_folder(project, subject.name), subject.name);
    size_t with_text = 0;
    for (const auto& r : index.recordings)
      for (const auto& c : r.clips) with_text += c.text.empty() ? 0 : 1;
    j["minutes"] = index.speech_s() / 60;
    j["clips"] = index.clips();
    j["clips_with_text"] = with_text;
    j["quality"] = quality_of(index);
    char text[80];
    std::snprintf(text, sizeof text, "%.1f min of speech, %zu clips, %s", index.speech_s() / 60,
                  index.clips(), trained ? "trained" : "not trained yet");
    j["title"] = text;
  } catch (const Error& e) {
    j["works"] = false;
    j["problem"] = e.what();
    j["title"] = "cannot be opened here";
  }
  return j;
}

}  // namespace

nlohmann::json list_project_voices(const project::Project& project) {
  const std::vector<std::filesystem::path> folders = {project_voices(project)};
  const std::string first = voice::default_voice(folders);
  nlohmann::json out = nlohmann::json::array();
  for (const auto& v : voice::list_voices(folders)) {
    out.push_back(v.to_json());
    out.back()["default"] = v.name == first;
  }
  for (const auto& subject : project.subjects())
    if (has_enrolled_voice(project, subject.name)) out.push_back(enrolled_row(project, subject));
  return out;
}

}  // namespace likeness::tasks
