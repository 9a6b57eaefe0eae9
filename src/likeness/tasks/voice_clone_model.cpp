// SPDX-License-Identifier: Apache-2.0
#include "likeness/audio/loudness.h"
#include "likeness/audio/resample.h"
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/media_inputs.h"
#include "likeness/tasks/speak.h"
#include "likeness/tasks/voice_clone.h"
#include "likeness/tasks/voice_enroll.h"
#include "likeness/tensor/safetensors.h"
#include "likeness/trust/output_audio.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;

fs::path trained_voice(const project::Project& project, const std::string& subject) {
  const fs::path path = enrolled_model_path(project, subject);
  std::error_code ec;
  if (fs::exists(path, ec)) return path;
  if (!has_enrolled_voice(project, subject))
    throw Error(ErrorCode::kNotFound, "no voice of '" + subject + "' is enrolled",
                "first: likeness voice enroll PROJECT " + subject + " RECORDINGS...");
  throw Error(ErrorCode::kNotFound, "the voice of '" + subject + "' is not trained",
              "first: likeness voice train PROJECT " + subject);
}

VoiceTrainTask::VoiceTrainTask(const project::Project& project, std::string subject,
                               voice::CloneOptions options)
    : subject_(std::move(subject)), options_(options) {
  validate_options(options_);
  if (!has_enrolled_voice(project, subject_)) trained_voice(project, subject_);  // says what to do
  version_ = enrolled_version(project, subject_);
}

json VoiceTrainTask::options() const {
  json j = options_to_json(options_);
  j.update({{"subject", subject_}, {"enrolled", version_}});
  return j;
}
trust::Request VoiceTrainTask::request() const {
  return {.task = "voice-train",
          .operation = trust::Operation::kTrain,
          .modality = "voice",
          .subjects = {{subject_, trust::Role::kIdentity}}};
}
std::vector<Chunk> VoiceTrainTask::plan(Run&) {
  return {{"trained", ".json", "train the voice of " + subject_, nullptr}};
}
void VoiceTrainTask::run(const Chunk&, const fs::path& out, Run& run) {
  run.grant.require(request());
  const fs::path folder = enrolled_folder(run.project, subject_);
  run.grant.seal_folder(folder);
  constexpr double kMost_s = 1800;
  EnrolledVoice enrolled = open_enrolled_voice(run.project, subject_, kMost_s);
  std::vector<voice::CloneClip> clips;
  for (auto& c : enrolled.clips) clips.push_back({std::move(c.clip), std::move(c.text)});
  std::map<std::string, std::string> about = {
      {"identity", subject_}, {"grant", run.grant.record().dump()}, {"enrolled", version_}};
  const std::string licence = run.project.subject(subject_).licence;
  if (!licence.empty()) about["licence"] = "recordings: " + licence;
  json report = voice::train_clone(clips, enrolled.speaker, options_, folder / "training",
                                   run.work / "model.safetensors", about, run.progress, run.cancel);
  report["speech_s"] = enrolled.speech_s;
  write_file_atomic(out, report.dump());
}
Result VoiceTrainTask::join(const std::vector<fs::path>& parts, Run& run) {
  Result result;
  result.report = json::parse(read_file(parts.at(0)));
  const fs::path to = enrolled_model_path(run.project, subject_);
  result.report.update({{"subject", subject_}, {"model", to.string()}});
  result.outputs = {{"model", run.work / "model.safetensors", to}};
  return result;
}

voice::ConvertOptions resolved(const ConversionOptions& o) {
  return {.retrieval = o.retrieval, .pitch_st = parse_pitch_st(o.pitch), .map_pitch = o.map_pitch};
}

VoiceConvertTask::VoiceConvertTask(const project::Project& project, fs::path take,
                                   std::string subject, fs::path out, VoiceConvertOptions options)
    : take_(std::move(take)),
      out_(std::move(out)),
      subject_(std::move(subject)),
      options_(std::move(options)),
      how_(resolved(options_.how)) {
  validate_options(options_);
  if (options_.sample_rate_hz != 24000 && options_.sample_rate_hz != 48000)
    throw Error(ErrorCode::kUsage, "the sample rate must be 24000 or 48000", "use 48000 for film");
  if (out_.extension() != ".wav")
    throw Error(ErrorCode::kUsage, "the output must be a .wav file", "name it with -o line.wav");
  refuse_overwriting(out_, {take_});
  media::probe_audio(take_);
  trained_voice(project, subject_);
}

json VoiceConvertTask::options() const {
  json j = options_to_json(options_);
  j["subject"] = subject_;
  return j;
}
trust::Request VoiceConvertTask::request() const {
  return {.task = "voice-convert",
          .operation = trust::Operation::kConvert,
          .modality = "voice",
          .subjects = {{subject_, trust::Role::kIdentity}},
          .languages = {},
          .label = options_.label.label};
}
std::vector<trust::Input> VoiceConvertTask::inputs(project::Project& project) const {
  const fs::path model = trained_voice(project, subject_);
  return {{take_, sha256_file(take_)}, {model, sha256_file(model)}};
}
std::vector<Chunk> VoiceConvertTask::plan(Run&) {
  return {{"converted", ".safetensors", "convert " + take_.filename().string(), nullptr}};
}
void VoiceConvertTask::run(const Chunk&, const fs::path& out, Run& run) {
  run.grant.require(request());
  constexpr double kMost_s = 3600;
  const media::DecodedAudio read = media::read_audio(take_, kMost_s);
  if (read.cut)
    throw Error(ErrorCode::kUnsupported, take_.string() + " is longer than an hour",
                "cut it into takes and convert them one by one");
  const voice::Clone clone(trained_voice(run.project, subject_));
  const AudioClip made = clone.convert(read.clip, how_, &run.progress, &run.cancel);
  tensor::write_safetensors(
      out,
      {{"samples",
        tensor::DType::kF32,
        {static_cast<int64_t>(made.samples.size())},
        {reinterpret_cast<const uint8_t*>(made.samples.data()),
         made.samples.size() * sizeof(float)}}},
      {{"rate_hz", std::to_string(made.rate_hz)}, {"damage", std::to_string(read.damage.size())}});
}
Result VoiceConvertTask::join(const std::vector<fs::path>& parts, Run& run) {
  const tensor::SafeTensors file(parts.at(0));
  AudioClip clip{std::stoi(file.metadata().at("rate_hz")), 1, file.at("samples").to_float()};
  clip = audio::resample(clip, options_.sample_rate_hz);
  audio::limit_true_peak(clip, -1.5);  // half a decibel is kept for the mark
  const double label_s = trust::add_audible_label(clip, options_.label.label);
  const fs::path temporary = temporary_name(out_);
  const auto written = trust::write_output_audio(run.grant, run.watermark, temporary, clip);
  Result result;
  result.outputs.push_back({"audio", temporary, out_});
  json warnings = json::array();
  if (file.metadata().at("damage") != "0")
    warnings.push_back("parts of the take are damaged and were left out");
  if (!written.readable)
    warnings.push_back(
        "the whole invisible mark cannot be read from this sound (it is short): the manifest alone "
        "says what it is, so keep it with the file");
  result.report = {{"output", out_.string()},
                   {"voice", subject_},
                   {"duration_s", clip.duration_s()},
                   {"sample_rate_hz", clip.rate_hz},
                   {"retrieval", how_.retrieval},
                   {"label_s", label_s},
                   {"mark", written.readable ? "whole" : "not whole"},
                   {"warnings", warnings}};
  return result;
}

}  // namespace likeness::tasks
