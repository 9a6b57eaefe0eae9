// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/speak.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "likeness/audio/loudness.h"
#include "likeness/audio/resample.h"
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tasks/media_inputs.h"
#include "likeness/tasks/voice_clone.h"
#include "likeness/tensor/safetensors.h"
#include "likeness/trust/consent_store.h"
#include "likeness/trust/output_audio.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;

fs::path project_voices(const project::Project& project) { return project.folder() / "voices"; }

double parse_pitch_st(const std::string& text) {
  const size_t begin = text.find_first_not_of(" +");
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] =
      std::from_chars(text.data() + std::min(begin, text.size()), end, value);
  const std::string unit(rest, end);
  if (error == std::errc() && std::isfinite(value)) {
    if (unit == "%" && value > -100) value = 12 * std::log2(1 + value / 100);
    if ((unit == "st" || unit.empty() || unit == "%") && value >= -12 && value <= 12) return value;
  }
  throw Error(ErrorCode::kUsage, "pitch must be -12st to +12st, not '" + text + "'",
              "for example --pitch +1st");
}

namespace {

/// A voice that came with a licence is declared as what it is, by its card.
void declare_voice(project::Project& project, const voice::VoiceInfo& info) {
  const std::string name = "voice-" + info.name;
  for (const auto& s : project.subjects())
    if (s.name == name) return;
  trust::add_declared_subject(project,
                              {.name = name,
                               .kind = project::SubjectKind::kLicensed,
                               .licence = info.licence + ": " + info.title + "; " + info.origin});
}

json phones_json(const std::vector<voice::Phone>& phones) {
  json out = json::array();
  for (const auto& p : phones)
    out.push_back({{"name", p.name}, {"begin_s", p.begin_s}, {"end_s", p.end_s}});
  return out;
}

/// What a chunk keeps: the samples, and the rest as JSON.
void write_part(const fs::path& path, const voice::Speech& speech, const voice::Sentence& sentence,
                const std::string& spoken_by, const std::string& alphabet) {
  json words = json::array();
  for (const auto& w : speech.words)
    words.push_back({{"text", w.text},
                     {"source", {w.source_begin, w.source_end}},
                     {"begin_s", w.begin_s},
                     {"end_s", w.end_s},
                     {"phones", phones_json(w.phones)}});
  const auto& x = speech.clip.samples;
  tensor::TensorView view{"samples",
                          tensor::DType::kF32,
                          {static_cast<int64_t>(x.size())},
                          {reinterpret_cast<const uint8_t*>(x.data()), x.size() * sizeof(float)}};
  tensor::write_safetensors(path, {view},
                            {{"rate_hz", std::to_string(speech.clip.rate_hz)},
                             {"timing", speech.timing},
                             {"text", sentence.text()},
                             {"spoken_by", spoken_by},
                             {"alphabet", alphabet},
                             {"paragraph_ends", sentence.paragraph_ends ? "yes" : "no"},
                             {"words", words.dump()}});
}

struct Part {
  AudioClip clip;
  std::string timing, text, spoken_by, alphabet;
  bool paragraph_ends = false;
  json words;
};
Part read_part(const fs::path& path) {
  const tensor::SafeTensors file(path);
  const auto& m = file.metadata();
  Part out;
  out.clip.rate_hz = std::stoi(m.at("rate_hz"));
  out.clip.samples = file.at("samples").to_float();
  out.timing = m.at("timing");
  out.text = m.at("text");
  out.spoken_by = m.at("spoken_by");
  out.alphabet = m.at("alphabet");
  out.paragraph_ends = m.at("paragraph_ends") == "yes";
  out.words = json::parse(m.at("words"));
  return out;
}

void move_times(json& words, double by_s) {
  for (json& w : words) {
    for (const char* key : {"begin_s", "end_s"}) w[key] = w[key].get<double>() + by_s;
    for (json& p : w["phones"])
      for (const char* key : {"begin_s", "end_s"}) p[key] = p[key].get<double>() + by_s;
  }
}

/// The ends of a sentence go to silence smoothly.
void fade_ends(AudioClip& clip) {
  const size_t n = std::min(clip.samples.size() / 2, static_cast<size_t>(clip.rate_hz) / 200);
  for (size_t i = 0; i < n; ++i) {
    const float g = static_cast<float>(i) / static_cast<float>(n);
    clip.samples[i] *= g;
    clip.samples[clip.samples.size() - 1 - i] *= g;
  }
}

double rounded(double value) { return std::round(value * 1e5) / 1e5; }
void round_times(json& j) {
  if (j.is_number_float()) j = rounded(j.get<double>());
  if (j.is_structured())
    for (auto& x : j) round_times(x);
}

}  // namespace

SpeakTask::SpeakTask(project::Project& project, SpeakRequest request, SpeakTaskOptions options)
    : request_(std::move(request)), options_(options), folders_{project_voices(project)} {
  validate_options(options_);
  pitch_st_ = parse_pitch_st(options_.pitch);
  if (options_.sample_rate_hz != 24000 && options_.sample_rate_hz != 48000)
    throw Error(ErrorCode::kUsage, "the sample rate must be 24000 or 48000", "use 48000 for film");
  if (!request_.file.empty()) {
    if (!request_.text.empty())
      throw Error(ErrorCode::kUsage, "there are a text and a file", "give one of them");
    request_.text = read_file(request_.file, 16u << 20);
  }
  if (request_.out.extension() != ".wav")
    throw Error(ErrorCode::kUsage, "the output must be a .wav file", "name it with -o line.wav");
  refuse_overwriting(request_.out, {request_.file, request_.lexicon});
  if (!request_.timings.empty())
    refuse_overwriting(request_.timings, {request_.file, request_.lexicon, request_.out});
  if (!request_.lexicon.empty()) lexicon_ = voice::Lexicon::read(request_.lexicon);
  for (const auto& s : project.subjects())
    if (s.name == request_.voice && !s.name.empty()) subject_ = s.name;
  if (!subject_.empty()) {
#ifdef LIKENESS_HAS_TORCH
    model_ = trained_voice(project, subject_);
    subject_version_ = sha256_file(model_);
#else
    throw Error(ErrorCode::kUnsupported, "this build has no networks, so it cannot clone a voice",
                "build with libtorch");
#endif
  }
  const std::string name =
      request_.voice.empty() || !subject_.empty() ? voice::default_voice(folders_) : request_.voice;
  voice::TextOptions text;
  text.lexicon = &lexicon_;
  for (const auto& v : voice::list_voices(folders_))
    if (v.name == name && !v.language.empty()) text.language = v.language;
  script_ = voice::read_script(request_.text, text);  // before a large model is loaded for nothing
  voice_ = voice::open_voice(name, folders_);
  info_ = voice_->info();
  declare_voice(project, info_);
}
SpeakTask::~SpeakTask() = default;

json SpeakTask::options() const {
  json j = options_to_json(options_);
  j["text_sha256"] = sha256(request_.text);
  j["voice"] = info_.name;
  j["voice_version"] = info_.version;
  if (!subject_.empty()) j["subject"] = subject_, j["subject_version"] = subject_version_;
  return j;
}

namespace {
/// As consents name languages: "en", of "en-us".
std::vector<std::string> spoken_language(const voice::VoiceInfo& voice) {
  if (voice.language.empty()) return {};
  return {voice.language.substr(0, voice.language.find('-'))};
}
}  // namespace

trust::Request SpeakTask::request() const {
  std::vector<trust::SubjectUse> subjects = {{"voice-" + info_.name, trust::Role::kIdentity}};
  if (!subject_.empty()) subjects.insert(subjects.begin(), {subject_, trust::Role::kIdentity});
  return {.task = "speak",
          .operation = trust::Operation::kSpeak,
          .modality = "voice",
          .subjects = std::move(subjects),
          .languages = spoken_language(info_),
          .label = options_.label.label};
}

std::vector<trust::Input> SpeakTask::inputs(project::Project&) const {
  std::vector<trust::Input> out;
  for (const fs::path& p : {request_.file, request_.lexicon})
    if (!p.empty()) out.push_back({p, sha256_file(p)});
  if (!info_.path.empty()) out.push_back({info_.path, info_.version});
  if (!subject_.empty()) out.push_back({model_, subject_version_});
  return out;
}

std::vector<Chunk> SpeakTask::plan(Run& run) {
  std::vector<Chunk> out;
  for (size_t i = 0; i < script_.sentences.size(); ++i)
    out.push_back({"sentence-" + std::to_string(i),
                   ".safetensors",
                   "speak sentence " + std::to_string(i + 1),
                   {{"sentence", i}}});
  run.progress.begin("speak in the voice " + info_.name, static_cast<double>(out.size()),
                     "sentences");
  return out;
}

void SpeakTask::run(const Chunk& chunk, const fs::path& out, Run& run) {
  run.grant.require(request());
  const voice::Sentence& sentence = script_.sentences.at(chunk.what.at("sentence").get<size_t>());
  const voice::Voice* speaker = voice_.get();
  bool convert = false;
#ifdef LIKENESS_HAS_TORCH
  if (!subject_.empty()) {
    if (!clone_)
      clone_ = std::make_shared<const voice::Clone>(trained_voice(run.project, subject_));
    convert = !clone_->voice();
    if (!convert) speaker = clone_->voice();
  }
#endif
  voice::Speech speech = speaker->speak(sentence, {.rate = options_.rate,
                                                   .pitch_st = convert ? 0 : pitch_st_,
                                                   .seed = static_cast<uint64_t>(options_.seed)});
#ifdef LIKENESS_HAS_TORCH
  if (convert)  // keeps times to the sample
    speech.clip = clone_->convert(
        speech.clip, {.retrieval = options_.retrieval, .pitch_st = pitch_st_, .map_pitch = true});
#endif
  write_part(out, speech, sentence, speaker == voice_.get() ? info_.name : subject_,
             speaker->info().engine == "piper" ? "ipa" : "arpabet");
  run.progress.set(chunk.what.at("sentence").get<double>() + 1);
}

Result SpeakTask::join(const std::vector<fs::path>& parts, Run& run) {
  AudioClip clip{options_.sample_rate_hz, 1, {}};
  json sentences = json::array();
  std::string timing = "exact", spoken_by, alphabet;
  size_t words = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    run.cancel.check();
    Part part = read_part(parts[i]);
    fade_ends(part.clip);
    const double at_s = clip.duration_s();
    const AudioClip resampled = audio::resample(part.clip, clip.rate_hz);
    clip.samples.insert(clip.samples.end(), resampled.samples.begin(), resampled.samples.end());
    move_times(part.words, at_s);
    if (part.timing != "exact") timing = part.timing;
    spoken_by = part.spoken_by, alphabet = part.alphabet;
    words += part.words.size();
    sentences.push_back({{"text", part.text},
                         {"begin_s", at_s},
                         {"end_s", clip.duration_s()},
                         {"words", std::move(part.words)}});
    if (i + 1 == parts.size()) break;
    const double pause =
        part.paragraph_ends ? options_.paragraph_pause_s : options_.sentence_pause_s;
    clip.samples.resize(clip.samples.size() +
                        static_cast<size_t>(std::llround(pause * clip.rate_hz)));
  }
  run.progress.end();
  // Half a decibel is kept for the mark.
  audio::normalise_loudness(clip, {.lufs = options_.loudness_lufs, .true_peak_db = -1.5});
  const double label_s = trust::add_audible_label(clip, options_.label.label);
  for (json& s : sentences) {
    for (const char* key : {"begin_s", "end_s"}) s[key] = s[key].get<double>() + label_s;
    move_times(s["words"], label_s);
  }
  const fs::path temporary = temporary_name(request_.out);
  const trust::WrittenAudio written =
      trust::write_output_audio(run.grant, run.watermark, temporary, clip);
  const audio::Loudness loudness = audio::measure_loudness(clip);
  Result result;
  result.outputs.push_back({"audio", temporary, request_.out});
  result.report = {{"output", request_.out.string()},
                   {"voice", subject_.empty() ? info_.name : subject_},
                   {"spoken_by", spoken_by},
                   {"voice_was", request_.voice.empty() ? "default" : "asked for"},
                   {"engine", info_.engine},
                   {"licence", info_.licence},
                   {"title", info_.title},
                   {"sentences", parts.size()},
                   {"words", words},
                   {"duration_s", clip.duration_s()},
                   {"sample_rate_hz", clip.rate_hz},
                   {"loudness_lufs", loudness.integrated_lufs},
                   {"true_peak_db", loudness.true_peak_db},
                   {"timing", timing},
                   {"label_s", label_s},
                   {"mark", written.readable ? "whole" : "not whole"},
                   {"warnings", script_.warnings}};
  if (!written.readable)
    result.report["warnings"].push_back(clip.duration_s() < trust::kAudioMarkBlockS
                                            ? "the sound is too short for the "
                                              "whole invisible mark: the manifest alone "
                                              "says what it is, so keep it with the file"
                                            : "the invisible mark could not be read again from "
                                              "this sound: the manifest alone says what "
                                              "it is");
  if (!request_.timings.empty()) {
    json j = {{"voice", info_.name},  {"engine", info_.engine},          {"timing", timing},
              {"alphabet", alphabet}, {"duration_s", clip.duration_s()}, {"sentences", sentences}};
    round_times(j);
    const fs::path t = temporary_name(request_.timings);
    write_file_atomic(t, j.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
    result.outputs.push_back({"timings", t, request_.timings});
    result.report["timings"] = request_.timings.string();
  }
  return result;
}

}  // namespace likeness::tasks
