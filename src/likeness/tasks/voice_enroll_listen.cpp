// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_enroll_listen.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "likeness/audio/checks.h"
#include "likeness/audio/denoise.h"
#include "likeness/audio/loudness.h"
#include "likeness/audio/pitch.h"
#include "likeness/audio/resample.h"
#include "likeness/audio/segments.h"
#include "likeness/base/error.h"
#include "likeness/tasks/voice_enroll.h"
#include "likeness/tasks/voice_enroll_store.h"
#include "likeness/voice/text.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr double kPieceS = 120, kCutFromS = 90, kHoldS = 180, kWindowS = 3;
constexpr double kLoudnessLufs = -23, kLeastSpeechS = 0.6, kUsualClicksPerS = 1;
// A fast speaker says about 20 letters a second, a slow one about 6.
constexpr double kMostLettersPerS = 30, kLeastLettersPerS = 3;

AudioClip part_of(const AudioClip& clip, double begin_s, double end_s) {
  const auto channels = static_cast<size_t>(clip.channels);
  const auto at = [&](double s) {
    return channels * std::min(clip.frames(), static_cast<size_t>(std::max(0.0, s) * clip.rate_hz));
  };
  return {clip.rate_hz,
          clip.channels,
          {clip.samples.begin() + static_cast<long>(at(begin_s)),
           clip.samples.begin() + static_cast<long>(at(end_s))}};
}

/// The mean of the channels, unless they cancel each other or only one of them has sound.
AudioClip best_mono(const AudioClip& clip) {
  AudioClip mono = audio::to_mono(clip);
  const auto channels = static_cast<size_t>(clip.channels);
  if (channels < 2) return mono;
  const auto power = [](const std::vector<float>& x, size_t first, size_t step) {
    double sum = 0;
    for (size_t i = first; i < x.size(); i += step)
      sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    return sum;
  };
  size_t loudest = 0;
  std::vector<double> each;
  for (size_t c = 0; c < channels; ++c) each.push_back(power(clip.samples, c, channels));
  for (size_t c = 1; c < channels; ++c)
    if (each[c] > each[loudest]) loudest = c;
  if (power(mono.samples, 0, 1) > 0.4 * each[loudest]) return mono;
  for (size_t i = 0; i < mono.samples.size(); ++i)
    mono.samples[i] = clip.samples[i * channels + loudest];
  return mono;
}

size_t letters_in(const std::string& text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) || c >= 0x80; }));
}

/// The text as it was written, sentence by sentence; the whole of it where it cannot be read.
std::vector<std::string> sentences_of(const std::string& text) {
  std::vector<std::string> out;
  try {
    const auto script = voice::read_script(text, {.longest_words = 400});
    size_t begin = 0;
    for (size_t i = 0; i < script.sentences.size(); ++i) {
      const bool last = i + 1 == script.sentences.size();
      const size_t end = last ? text.size() : script.sentences[i + 1].words.front().source_begin;
      if (end <= begin || end > text.size()) return {text};
      std::string one = text.substr(begin, end - begin);
      while (!one.empty() && std::isspace(static_cast<unsigned char>(one.back()))) one.pop_back();
      out.push_back(std::move(one));
      begin = end;
    }
  } catch (const Error&) {
    return {text};
  }
  return out.empty() ? std::vector<std::string>{text} : out;
}

struct Cut {
  audio::Segment segment;
  std::string text;
};
/// Where the text belongs to: all of a short recording, or its sentences. Otherwise clips without.
std::vector<Cut> cut_up(const audio::Activity& activity, double duration_s, const std::string& text,
                        json& findings) {
  std::vector<Cut> out;
  if (!text.empty()) {
    const double rate = static_cast<double>(letters_in(text)) / std::max(0.1, activity.speech_s);
    const auto sentences = sentences_of(text);
    std::vector<size_t> letters;
    for (const auto& s : sentences) letters.push_back(std::max<size_t>(1, letters_in(s)));
    if (rate > kMostLettersPerS || rate < kLeastLettersPerS) {
      findings.push_back(
          {{"rule", "text-does-not-fit"},
           {"text", "its text has " + std::to_string(letters_in(text)) + " letters for " +
                        std::to_string(activity.speech_s).substr(0, 4) +
                        " s of speech; the text is not used"},
           {"refused", false}});
    } else {
      auto whole = audio::cut_by_sentences(activity, duration_s, {letters_in(text)});
      if (!whole.empty()) return {{whole.front(), text}};
      const auto parts = audio::cut_by_sentences(activity, duration_s, letters);
      for (size_t i = 0; i < parts.size(); ++i) out.push_back({parts[i], sentences[i]});
      if (!out.empty()) return out;
      findings.push_back({{"rule", "text-not-divided"},
                          {"text",
                           "it is not sure which of its words are where; its clips have no "
                           "text: give recordings of at most 12 s for each text"},
                          {"refused", false}});
    }
  }
  for (const auto& s : audio::cut_at_pauses(activity, duration_s)) out.push_back({s, ""});
  return out;
}

HeardClip make_clip(const AudioClip& sound, const audio::Activity& activity, const Cut& cut) {
  HeardClip out;
  out.text = cut.text;
  out.samples = part_of(sound, cut.segment.begin_s, cut.segment.end_s).samples;
  // Ends in silence, without a click.
  const size_t fade = std::min(out.samples.size() / 4, static_cast<size_t>(sound.rate_hz / 200));
  for (size_t i = 0; i < fade; ++i) {
    const float g = static_cast<float>(i) / static_cast<float>(fade);
    out.samples[i] *= g;
    out.samples[out.samples.size() - 1 - i] *= g;
  }
  for (const auto& s : activity.speech)
    out.speech_s += std::max(
        0.0, std::min(s.end_s, cut.segment.end_s) - std::max(s.begin_s, cut.segment.begin_s));
  const audio::Pitch pitch = audio::track_pitch(out.samples, sound.rate_hz);
  out.f0_hz = audio::median_f0_hz(pitch);
  out.voiced_s =
      pitch.hop_s * static_cast<double>(std::count_if(pitch.f0_hz.begin(), pitch.f0_hz.end(),
                                                      [](float f) { return f > 0; }));
  return out;
}

}  // namespace

bool PieceReader::next(AudioClip& piece) {
  while (!ended_ && held_.duration_s() < kHoldS)
    if (!stream_.read(held_, std::min(10.0, kHoldS - held_.duration_s() + 1))) ended_ = true;
  piece = {};
  if (held_.samples.empty()) return false;
  begin_s_ = next_s_;
  double cut_s = held_.duration_s();
  if (cut_s >= kHoldS) {
    const AudioClip around = audio::to_mono(part_of(held_, kCutFromS, kPieceS));
    cut_s = kCutFromS + audio::best_cut_s(audio::find_activity(around.samples, around.rate_hz), 0,
                                          kPieceS - kCutFromS);
  }
  const auto samples =
      static_cast<long>(std::min(held_.frames(), static_cast<size_t>(cut_s * held_.rate_hz + 0.5)) *
                        static_cast<size_t>(held_.channels));
  piece = {held_.rate_hz, held_.channels, {held_.samples.begin(), held_.samples.begin() + samples}};
  held_.samples.erase(held_.samples.begin(), held_.samples.begin() + samples);
  next_s_ += piece.duration_s();
  return true;
}

bool HeardPiece::refused() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const json& f) { return f.value("refused", false); });
}

HeardPiece listen_to(const AudioClip& sound, const std::string& text,
                     const ListenOptions& options) {
  HeardPiece out;
  out.duration_s = sound.duration_s();
  const audio::Recording r = audio::examine_recording(sound);
  for (const audio::Finding& f : audio::judge_recording(r, {.least_speech_s = kLeastSpeechS})) {
    const bool empty = f.rule == "silent" || f.rule == "too-short";
    if (empty && !options.alone) return out;  // a pause in a long recording is no fault
    out.findings.push_back(
        {{"rule", f.rule}, {"text", f.text}, {"refused", f.severity == audio::Severity::kRefusal}});
  }
  if (out.refused()) return out;
  AudioClip mono = best_mono(sound);
  // A few come from the lips in any good recording.
  if (const int clicks = audio::remove_clicks(mono.samples, mono.rate_hz);
      clicks > std::max(5.0, mono.duration_s() * kUsualClicksPerS))
    out.findings.push_back({{"rule", "clicks"},
                            {"text", std::to_string(clicks) + " clicks were mended"},
                            {"refused", false}});
  mono = audio::resample(mono, kEnrolledRateHz);
  if (options.denoise) mono.samples = audio::remove_noise(mono.samples, mono.rate_hz).samples;
  audio::normalise_loudness(mono, {.lufs = kLoudnessLufs});
  const audio::Activity activity = audio::find_activity(mono.samples, mono.rate_hz);
  const auto cuts =
      cut_up(activity, mono.duration_s(), options.alone ? text : std::string(), out.findings);
  for (const Cut& cut : cuts) {
    out.clips.push_back(make_clip(mono, activity, cut));
    out.speech_s += out.clips.back().speech_s;
  }
  if (cuts.empty() && options.alone)
    out.findings.push_back({{"rule", "too-short"},
                            {"text", "no stretch of speech in it is as long as 1 s"},
                            {"refused", true}});
  const auto& encoder = voice::SpeakerEncoder::installed();
  out.windows = encoder.embed_windows(mono, kWindowS);
  if (out.windows.empty() && !cuts.empty()) out.windows.push_back(encoder.embed(mono));
  return out;
}

void write_piece(const fs::path& path, const HeardPiece& piece) {
  json clips = json::array();
  std::vector<std::vector<uint8_t>> bytes;
  for (const HeardClip& c : piece.clips) {
    clips.push_back(
        {{"text", c.text}, {"speech_s", c.speech_s}, {"f0_hz", c.f0_hz}, {"voiced_s", c.voiced_s}});
    bytes.push_back(media::pcm16_bytes(c.samples));
  }
  std::vector<tensor::TensorView> tensors;
  for (size_t i = 0; i < bytes.size(); ++i)
    tensors.push_back({"clip-" + std::to_string(i),
                       tensor::DType::kU8,
                       {static_cast<int64_t>(bytes[i].size() / 2), 2},
                       bytes[i]});
  std::vector<float> windows;
  for (const auto& w : piece.windows) windows.insert(windows.end(), w.begin(), w.end());
  tensors.push_back(
      {"windows",
       tensor::DType::kF32,
       {static_cast<int64_t>(piece.windows.size()), 256},
       {reinterpret_cast<const uint8_t*>(windows.data()), windows.size() * sizeof(float)}});
  const json j = {{"begin_s", piece.begin_s},
                  {"duration_s", piece.duration_s},
                  {"speech_s", piece.speech_s},
                  {"findings", piece.findings},
                  {"clips", std::move(clips)}};
  tensor::write_safetensors(path, tensors,
                            {{"piece", j.dump(-1, ' ', false, json::error_handler_t::replace)}});
}

HeardPiece read_piece(const fs::path& path) {
  const tensor::SafeTensors file(path);
  const json j = json::parse(file.metadata().at("piece"));
  HeardPiece out;
  out.begin_s = j.at("begin_s"), out.duration_s = j.at("duration_s");
  out.speech_s = j.at("speech_s"), out.findings = j.at("findings");
  for (const json& c : j.at("clips")) {
    const auto& samples = file.at("clip-" + std::to_string(out.clips.size()));
    out.clips.push_back({c.at("text"), media::pcm16_samples(samples.data), c.at("speech_s"),
                         c.at("f0_hz"), c.at("voiced_s")});
  }
  const auto windows = file.at("windows").to_float();
  for (size_t i = 0; i + 256 <= windows.size(); i += 256)
    out.windows.emplace_back(windows.begin() + static_cast<long>(i),
                             windows.begin() + static_cast<long>(i + 256));
  return out;
}

}  // namespace likeness::tasks
