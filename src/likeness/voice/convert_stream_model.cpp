// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <deque>

#include "likeness/audio/loudness.h"
#include "likeness/audio/pitch.h"
#include "likeness/base/error.h"
#include "likeness/voice/clone_impl_model.h"
#include "likeness/voice/convert_stream.h"
#include "likeness/voice/net_file_model.h"
#include "likeness/voice/pretrain_model.h"

namespace likeness::voice {

PitchRange range_of(const std::vector<float>& f0_hz) {
  double n = 0, sum = 0, squares = 0;
  for (const float hz : f0_hz)
    if (hz > 0) {
      const double v = std::log(static_cast<double>(hz) / 200);
      n += 1, sum += v, squares += v * v;
    }
  if (n < 20) return {};
  PitchRange r{sum / n, 0};
  r.deviation = std::clamp(std::sqrt(std::max(0.0, squares / n - r.mean * r.mean)), 0.05, 0.5);
  return r;
}

std::vector<float> levelled(const AudioClip& clip, double& gain_db) {
  AudioClip mono{kRate, 1, to_voice_rate(clip)};
  gain_db = audio::normalise_loudness(mono, {.lufs = kLevel_lufs, .true_peak_db = -0.5});
  return std::move(mono.samples);
}

torch::Tensor Clone::Impl::nearest(const torch::Tensor& content) const {
  const auto alike = torch::matmul(content, bank.t());
  const auto top = std::get<1>(alike.topk(std::min<int64_t>(4, bank.size(0)), 1));
  return bank.index_select(0, top.reshape({-1}))
      .view({content.size(0), -1, content.size(1)})
      .mean(1);
}

namespace {

void check_options(const ConvertOptions& o) {
  if (!(o.retrieval >= 0 && o.retrieval <= 1))
    throw Error(ErrorCode::kUsage, "the share of retrieval must be 0 to 1", "0.4 is usual");
}

/// Mean power of speech at kLevel_lufs.
const double kUsualPower = std::pow(10, kLevel_lufs / 10);

/// A pitch of the speaker's as the person would have it.
float moved(float hz, const PitchRange& from, const PitchRange& to, const ConvertOptions& o) {
  if (hz <= 0) return 0;
  double v = std::log(static_cast<double>(hz) / 200);
  const double spread = std::clamp(to.deviation / from.deviation, 0.7, 1.4);
  if (o.map_pitch) v = to.mean + (v - from.mean) * spread;
  return static_cast<float>(
      std::clamp(200 * std::exp(v + o.pitch_st * std::log(2.0) / 12), 40.0, 900.0));
}

/// The networks in a row: bands and pitch of frames in, sound out, as far as all is known.
class FrameConverter {
 public:
  FrameConverter(const Clone::Impl& clone, double retrieval, VocoderStream::Touch touch = {})
      : clone_(clone), retrieval_(retrieval), vocoder_(*clone.vocoder, 1, std::move(touch)) {}

  /// Bands and levels of the next frames, and pitch of as many or of fewer: what is missing comes
  /// later.
  std::vector<float> push(std::span<const float> content_mel, std::span<const float> level,
                          std::span<const float> f0_hz, bool last) {
    level_.insert(level_.end(), level.begin(), level.end());
    f0_.insert(f0_.end(), f0_hz.begin(), f0_hz.end());
    content_memory_.last = converter_memory_.last = last;
    const auto n = static_cast<int64_t>(level.size());
    const auto heard =
        clone_.content->forward(tensor_of(content_mel, {1, n, kContentMel}), content_memory_)
            .bottleneck;
    content_ = content_.defined() ? torch::cat({content_, heard}, 1) : heard;
    const int64_t ready = std::min<int64_t>(content_.size(1), static_cast<int64_t>(f0_.size()));
    auto said = content_.narrow(1, 0, ready);
    content_ = content_.narrow(1, ready, content_.size(1) - ready);
    if (retrieval_ > 0 && ready > 0)
      said = said * (1 - retrieval_) + clone_.nearest(said.squeeze(0)).unsqueeze(0) * retrieval_;
    const auto count = static_cast<size_t>(ready);
    const std::vector<float> f0 = front(f0_, count), loud = front(level_, count);
    std::vector<float> log_f0(count), voiced(count);
    log_pitch(f0, log_f0, voiced);
    sung_.insert(sung_.end(), f0.begin(), f0.end());
    const auto mel = clone_.net->forward(said, tensor_of(log_f0, {1, ready}),
                                         tensor_of(voiced, {1, ready}), tensor_of(loud, {1, ready}),
                                         clone_.speaker.unsqueeze(0), converter_memory_);
    const std::vector<float> melody = front(sung_, static_cast<size_t>(mel.size(1)));
    if (melody.empty() && !last) return {};
    return vocoder_.push(values_of(mel), melody, last);
  }

 private:
  static std::vector<float> front(std::deque<float>& from, size_t count) {
    std::vector<float> out(from.begin(), from.begin() + static_cast<long>(count));
    from.erase(from.begin(), from.begin() + static_cast<long>(count));
    return out;
  }

  const Clone::Impl& clone_;
  double retrieval_;
  nets::StreamMemory content_memory_, converter_memory_;
  VocoderStream vocoder_;
  torch::Tensor content_;         ///< 1 x frames x width whose pitch is not known yet
  std::deque<float> level_, f0_;  ///< of frames the converter has not heard
  std::deque<float> sung_;        ///< pitch of frames the vocoder has not heard
};

}  // namespace

AudioClip Clone::convert(const AudioClip& clip, const ConvertOptions& o, Progress* progress,
                         const Cancel* cancel) const {
  check_options(o);
  double gain_db = 0;
  const std::vector<float> sound = levelled(clip, gain_db);
  const bool silent =
      std::none_of(sound.begin(), sound.end(), [](float x) { return std::abs(x) > 1e-3f; });
  if (silent || sound.size() < kRate / 4)
    throw Error(ErrorCode::kBadInput, "there is no speech in the recording",
                "give a recording of somebody who speaks");
  const Features f = analyse(sound);
  const std::vector<float> level = frame_level(f.mel, f.frames);
  const PitchRange from = range_of(f.f0_hz);
  std::vector<float> f0(f.frames);
  for (size_t t = 0; t < f.frames; ++t) f0[t] = moved(f.f0_hz[t], from, impl_->range, o);
  const torch::InferenceMode guard;
  constexpr size_t kPiece = 1800;  // frames: memory does not grow with the length
  FrameConverter converter(*impl_, o.retrieval);
  AudioClip out{kRate, 1, {}};
  if (progress) progress->begin("convert", static_cast<double>(f.frames) * kFrame_s, "s");
  for (size_t begin = 0; begin < f.frames; begin += kPiece) {
    if (cancel) cancel->check();
    const size_t n = std::min(kPiece, f.frames - begin);
    const auto part = [&](const std::vector<float>& v, size_t width) {
      return std::span<const float>(v.data() + begin * width, n * width);
    };
    const auto made = converter.push(part(f.content, kContentMel), part(level, 1), part(f0, 1),
                                     begin + n == f.frames);
    out.samples.insert(out.samples.end(), made.begin(), made.end());
    if (progress) progress->set(static_cast<double>(begin + n) * kFrame_s);
  }
  if (progress) progress->end();
  out.samples = without_hiss(std::move(out.samples));
  out.samples.resize(sound.size(), 0.0f);
  const auto back = static_cast<float>(std::pow(10, -gain_db / 20));
  for (float& x : out.samples) x *= back;
  return out;
}

struct ConvertStream::State {
  // Frames that pitch may look ahead: those that content and converter wait for anyway.
  static constexpr size_t kPitchDelay = 7;

  // Threads that wait for each other cost more than such small steps take.
  LearningThreads one{1};
  StreamOptions options;
  const PitchRange& to;
  BandStream bands;
  audio::PitchTracker tracker;
  FrameConverter converter;
  // Height of whoever speaks: mean of what was heard, a spread that starts as the usual one.
  double voiced = 0, sum = 0, squares = 0;
  // Level: mean power of hops that are not pauses; starts as 0.3 s of a usual recording.
  double power, hops = 28, gain = 1;
  double hop_sum = 0;
  size_t hop_size = 0;
  std::deque<double> hop_power;  ///< of frames whose bands are not known yet
  std::deque<float> gains;       ///< from the frame of the next sample to give on
  std::vector<float> pitch;      ///< that the converter was not given
  size_t frames = 0, pitched = 0, heard = 0, given = 0;

  State(const Clone::Impl& clone, const StreamOptions& o, VocoderStream::Touch touch)
      : options(o),
        to(clone.range),
        tracker(kRate, pitch_options(), kPitchDelay),
        converter(clone, o.convert.retrieval, std::move(touch)),
        power(kUsualPower) {}
  static audio::PitchOptions pitch_options() {
    audio::PitchOptions p;
    p.hop_s = kFrame_s;
    return p;
  }

  void measure(std::span<const float> mono, bool last) {
    for (const float x : mono) {
      hop_sum += static_cast<double>(x) * x;
      if (++hop_size == kHop) end_hop();
    }
    if (last && hop_size > 0) end_hop();
  }
  void end_hop() {
    hop_power.push_back(hop_sum / static_cast<double>(hop_size));
    hop_sum = 0, hop_size = 0;
  }
  /// The gain of the next frame.
  double follow() {
    constexpr double kForget = 468;  // hops: 5 s
    constexpr double kQuiet = 1e-6;
    if (!hop_power.empty()) {
      const double now = hop_power.front();
      hop_power.pop_front();
      if (now > kQuiet && now > 0.1 * power) {
        hops = std::min(hops + 1, kForget);
        power += (now - power) / hops;
      }
    }
    return gain = std::clamp(std::sqrt(kUsualPower / power), 0.03, 30.0);
  }
  /// Bands as they would be at the usual level.
  void level(Features& f) {
    const float floor = std::log(1e-5f);
    for (size_t t = 0; t < f.frames; ++t) {
      const double g = follow();
      gains.push_back(static_cast<float>(g));
      const auto shift = static_cast<float>(std::log(g));
      for (size_t b = 0; b < kMel; ++b)
        f.mel[t * kMel + b] = std::max(f.mel[t * kMel + b] + shift, floor);
      for (size_t b = 0; b < kContentMel; ++b)
        f.content[t * kContentMel + b] = std::max(f.content[t * kContentMel + b] + shift, floor);
    }
  }
  /// Back to the level it was heard at.
  void restore(std::vector<float>& made) {
    for (float& x : made) {
      const float a = gains.at(0), b = gains.size() > 1 ? gains[1] : a;
      const auto part = static_cast<float>(given % kHop) / kHop;
      x /= a + (b - a) * part;
      if (++given % kHop == 0) gains.pop_front();
    }
  }

  float sing(float hz) {
    if (hz > 0) {
      const double v = std::log(static_cast<double>(hz) / 200);
      voiced += 1, sum += v, squares += v * v;
    }
    return moved(hz, from(), to, options.convert);
  }
  PitchRange from() const {
    constexpr double kUsual = 0.15, kSure = 100;  // frames
    PitchRange r;
    const double mean = voiced > 0 ? sum / voiced : to.mean;
    const double spread = std::max(0.0, squares - voiced * mean * mean);
    r.mean = options.speaker_hz > 0 ? std::log(options.speaker_hz / 200) : mean;
    r.deviation =
        std::clamp(std::sqrt((spread + kSure * kUsual * kUsual) / (voiced + kSure)), 0.05, 0.5);
    return r;
  }
};

ConvertStream::ConvertStream(const Clone& clone, const StreamOptions& o,
                             VocoderStream::Touch touch) {
  check_options(o.convert);
  if (o.speaker_hz != 0 && !(o.speaker_hz >= 40 && o.speaker_hz <= 900))
    throw Error(ErrorCode::kUsage, "the speaker's height must be 40 to 900 Hz, or 0",
                "0 finds it out while listening");
  state_ = std::make_unique<State>(*clone.impl_, o, std::move(touch));
}
ConvertStream::~ConvertStream() = default;
ConvertStream::ConvertStream(ConvertStream&&) noexcept = default;
double ConvertStream::speaker_hz() const { return 200 * std::exp(state_->from().mean); }
double ConvertStream::gain_db() const { return 20 * std::log10(state_->gain); }

std::vector<float> ConvertStream::push(std::span<const float> mono, bool last) {
  State& s = *state_;
  const torch::InferenceMode guard;
  s.heard += mono.size();
  if (s.heard == 0) return {};
  s.measure(mono, last);
  Features f = s.bands.push(mono, last);
  s.level(f);
  s.frames += f.frames;
  for (const float hz : s.tracker.push(mono, last).f0_hz) s.pitch.push_back(s.sing(hz));
  // The two count frames of the last hop differently.
  if (last) s.pitch.resize(s.frames - s.pitched);
  if (f.frames == 0 && !last) return {};
  std::vector<float> made =
      s.converter.push(f.content, frame_level(f.mel, f.frames), s.pitch, last);
  s.pitched += s.pitch.size();
  s.pitch.clear();
  s.restore(made);
  if (last) made.resize(made.size() + s.heard - s.given);
  return made;
}

}  // namespace likeness::voice
