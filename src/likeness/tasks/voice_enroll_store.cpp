// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_enroll_store.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/sealed_file.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/speak.h"
#include "likeness/tasks/voice_enroll.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr const char* kFormat = "likeness-voice-1";
constexpr int64_t kVector = 256;

[[noreturn]] void damaged(const fs::path& path, const std::string& why) {
  throw Error(ErrorCode::kDamaged, path.string() + " is damaged: " + why,
              "restore it from a copy, or enrol again: likeness voice enroll PROJECT SUBJECT "
              "RECORDINGS --replace");
}

json json_of(const StoredRecording& r) {
  json clips = json::array();
  for (const StoredClip& c : r.clips)
    clips.push_back({{"id", c.id},
                     {"text", c.text},
                     {"pack", c.pack},
                     {"frames", c.frames},
                     {"speech_s", c.speech_s},
                     {"f0_hz", c.f0_hz},
                     {"voiced_s", c.voiced_s}});
  return {{"hash", r.hash},
          {"name", r.name},
          {"text", r.text},
          {"sentence", r.sentence},
          {"enrolled_at", r.enrolled_at},
          {"duration_s", r.duration_s},
          {"speech_s", r.speech_s},
          {"warnings", r.warnings},
          {"clips", std::move(clips)}};
}

StoredRecording recording_of(const json& j) {
  StoredRecording r;
  r.hash = j.at("hash"), r.name = j.at("name"), r.text = j.at("text");
  r.sentence = j.at("sentence"), r.enrolled_at = j.at("enrolled_at");
  r.duration_s = j.at("duration_s"), r.speech_s = j.at("speech_s");
  r.warnings = j.at("warnings");
  for (const json& c : j.at("clips"))
    r.clips.push_back({c.at("id"), c.at("text"), c.at("pack"), c.at("frames"), c.at("speech_s"),
                       c.at("f0_hz"), c.at("voiced_s")});
  return r;
}

/// Which clips make up `most_s`: those with text first, and of each recording its share, so that
/// one long recording does not fill everything.
std::set<std::string> choose_clips(const VoiceIndex& index, double most_s) {
  std::set<std::string> out;
  double chosen_s = 0;
  for (const bool with_text : {true, false})
    for (size_t i = 0, found = 1; found > 0 && chosen_s < most_s; ++i) {
      found = 0;
      for (const StoredRecording& r : index.recordings) {
        size_t nth = 0;
        for (const StoredClip& c : r.clips) {
          if (c.text.empty() == with_text || nth++ != i) continue;
          ++found;
          if (chosen_s < most_s) {
            out.insert(c.id);
            chosen_s += static_cast<double>(c.frames) / kEnrolledRateHz;
          }
          break;
        }
      }
    }
  return out;
}

}  // namespace

double VoiceIndex::speech_s() const {
  double sum = 0;
  for (const auto& r : recordings) sum += r.speech_s;
  return sum;
}
size_t VoiceIndex::clips() const {
  size_t n = 0;
  for (const auto& r : recordings) n += r.clips.size();
  return n;
}
voice::SpeakerVector VoiceIndex::speaker() const {
  if (recordings.empty()) return {};
  voice::SpeakerVector sum(static_cast<size_t>(kVector));
  for (const auto& r : recordings)
    for (size_t k = 0; k < sum.size(); ++k)
      sum[k] += static_cast<float>(r.speech_s) * r.vector.at(k);
  voice::to_unit_length(sum);
  return sum;
}
double VoiceIndex::f0_median_hz() const {
  std::vector<std::pair<double, double>> values;
  for (const auto& r : recordings)
    for (const auto& c : r.clips)
      if (c.f0_hz > 0) values.emplace_back(c.f0_hz, c.voiced_s);
  return weighted_median(std::move(values));
}

double weighted_median(std::vector<std::pair<double, double>> values) {
  std::sort(values.begin(), values.end());
  double whole = 0, so_far = 0;
  for (const auto& [value, weight] : values) whole += weight;
  for (const auto& [value, weight] : values)
    if ((so_far += weight) * 2 >= whole) return value;
  return 0;
}

fs::path enrolled_index_path(const fs::path& folder) { return folder / "index.safetensors"; }

VoiceIndex read_voice_index(const fs::path& folder, const std::string& subject) {
  const fs::path path = enrolled_index_path(folder);
  VoiceIndex out;
  out.subject = subject;
  std::error_code ec;
  if (!fs::exists(path, ec)) return out;
  const tensor::SafeTensors file(path);
  const auto found = file.metadata().find("index");
  if (found == file.metadata().end()) damaged(path, "it holds no index");
  const json j = json::parse(found->second, nullptr, false);
  try {
    if (j.at("format") != kFormat) damaged(path, "it is in an unknown format");
    if (j.at("subject") != subject)
      damaged(path, "it is of '" + j.at("subject").get<std::string>() + "'");
    for (const json& r : j.at("recordings")) out.recordings.push_back(recording_of(r));
  } catch (const json::exception&) {
    damaged(path, "its index is not as it should be");
  }
  const auto& vectors = file.at("vectors");
  if (vectors.shape != std::vector<int64_t>{static_cast<int64_t>(out.recordings.size()), kVector})
    damaged(path, "its vectors do not fit its recordings");
  const auto values = vectors.to_float();
  for (size_t i = 0; i < out.recordings.size(); ++i)
    out.recordings[i].vector.assign(values.begin() + static_cast<long>(i) * kVector,
                                    values.begin() + static_cast<long>(i + 1) * kVector);
  return out;
}

void write_voice_index(const fs::path& path, const VoiceIndex& index) {
  json recordings = json::array();
  std::vector<float> vectors;
  for (const auto& r : index.recordings) {
    recordings.push_back(json_of(r));
    LIKENESS_REQUIRE(r.vector.size() == static_cast<size_t>(kVector));
    vectors.insert(vectors.end(), r.vector.begin(), r.vector.end());
  }
  const json j = {
      {"format", kFormat}, {"subject", index.subject}, {"recordings", std::move(recordings)}};
  const tensor::TensorView view{
      "vectors",
      tensor::DType::kF32,
      {static_cast<int64_t>(index.recordings.size()), kVector},
      {reinterpret_cast<const uint8_t*>(vectors.data()), vectors.size() * sizeof(float)}};
  tensor::write_safetensors(path, {view},
                            {{"index", j.dump(-1, ' ', false, json::error_handler_t::replace)}});
}

fs::path enrolled_folder(const project::Project& project, const std::string& subject) {
  project::check_name("subject", subject);
  return project_voices(project) / "enrolled" / subject;
}
fs::path enrolled_model_path(const project::Project& project, const std::string& subject) {
  return enrolled_folder(project, subject) / "model.safetensors";
}

bool has_enrolled_voice(const project::Project& project, const std::string& subject) {
  std::error_code ec;
  return fs::exists(enrolled_index_path(enrolled_folder(project, subject)), ec);
}

namespace {

VoiceIndex index_of(const project::Project& project, const std::string& subject) {
  if (!has_enrolled_voice(project, subject))
    throw Error(ErrorCode::kNotFound, "no voice of '" + subject + "' is enrolled",
                "enrol recordings first: likeness voice enroll PROJECT " + subject + " RECORDINGS");
  return read_voice_index(enrolled_folder(project, subject), subject);
}

}  // namespace

std::string enrolled_version(const project::Project& project, const std::string& subject) {
  std::string text;
  for (const auto& r : index_of(project, subject).recordings)
    text += r.hash + " " + sha256(r.text) + " " + std::to_string(r.clips.size()) + "\n";
  return sha256(text);
}

EnrolledVoice open_enrolled_voice(const project::Project& project, const std::string& subject,
                                  double most_s) {
  const fs::path folder = enrolled_folder(project, subject);
  const VoiceIndex index = index_of(project, subject);
  EnrolledVoice out;
  out.subject = subject;
  out.speaker = index.speaker();
  out.f0_median_hz = index.f0_median_hz();
  const auto wanted = most_s > 0 ? choose_clips(index, most_s) : std::set<std::string>();
  std::string open_name;
  std::unique_ptr<tensor::SafeTensors> pack;
  for (const auto& r : index.recordings)
    for (const StoredClip& c : r.clips) {
      if (most_s > 0 && !wanted.count(c.id)) continue;
      if (!pack || c.pack != open_name) {  // one in memory at a time: clips lie in order
        pack.reset();
        pack = std::make_unique<tensor::SafeTensors>(folder / c.pack);
        open_name = c.pack;
      }
      const auto& samples = pack->at(c.id);
      if (samples.type != tensor::DType::kU8 || samples.shape != std::vector<int64_t>{c.frames, 2})
        damaged(folder / c.pack, "the clip " + c.id + " has another length");
      out.speech_s += c.speech_s;
      out.clips.push_back({c.id, c.text, {kEnrolledRateHz, 1, media::pcm16_samples(samples.data)}});
    }
  return out;
}

}  // namespace likeness::tasks
