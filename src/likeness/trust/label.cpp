// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/label.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>
#include <opencv2/imgproc.hpp>

#include "likeness/trust/provenance.h"

namespace likeness::trust {
namespace {

// The words, rendered by scripts/make-labels: white ink on black, no border.
#define LIKENESS_LABEL(name, file)                                                              \
  asm(".section .rodata\n" #name "_begin: .incbin \"" LIKENESS_LABELS_DIR "/" file "\"\n" #name \
      "_end:\n.previous\n");                                                                    \
  extern "C" const uint8_t name##_begin[], name##_end[]
LIKENESS_LABEL(likeness_label_eu, "eu.png");
LIKENESS_LABEL(likeness_label_us_ca, "us-ca.png");
LIKENESS_LABEL(likeness_label_cn, "cn.png");
LIKENESS_LABEL(likeness_label_kr_in, "kr-in.png");
LIKENESS_LABEL(likeness_label_spoken, "spoken.wav");  // "This voice is computer generated."
#undef LIKENESS_LABEL

constexpr double kWholeTime = std::numeric_limits<double>::infinity();

/// Before sound alone: words, or the signal that GB 45438-2025 knows.
enum class Cue { kNone, kSpoken, kTones };

struct Preset {
  const char* name;
  const uint8_t *begin, *end;
  bool right, top;
  double seconds;
  Cue cue;
  bool aigc;
};
const Preset kPresets[] = {
    {"none", nullptr, nullptr, false, false, 0, Cue::kNone, false},
    // Code of Practice on Art. 50: "AI" with GENERATED or MODIFIED, seen at first exposure.
    {"eu", likeness_label_eu_begin, likeness_label_eu_end, true, true, kWholeTime, Cue::kSpoken,
     false},
    // SB 942: clear, conspicuous, fit for the medium.
    {"us-ca", likeness_label_us_ca_begin, likeness_label_us_ca_end, false, false, kWholeTime,
     Cue::kSpoken, false},
    // GB 45438-2025: at the start for 2 s or more, by the edge, letters of 5 % of the shorter side.
    {"cn", likeness_label_cn_begin, likeness_label_cn_end, false, true, 4, Cue::kTones, true},
    {"kr-in", likeness_label_kr_in_begin, likeness_label_kr_in_end, false, false, kWholeTime,
     Cue::kSpoken, false},
};

const Preset& preset_of(const std::string& name) {
  for (const auto& p : kPresets)
    if (name == p.name) return p;
  throw Error(ErrorCode::kUsage, "there is no label '" + name + "'",
              "choose one of none, eu, us-ca, cn, kr-in");
}

ImageF words_of(const Preset& p) {
  const Image8 rgb = media::decode_image(p.begin, static_cast<size_t>(p.end - p.begin));
  ImageF grey(rgb.width, rgb.height, 1);
  for (size_t i = 0; i < grey.data.size(); ++i)
    grey.data[i] = static_cast<float>(rgb.data[3 * i]) / 255;
  return grey;
}

/// Share of the pixel inside a rectangle with round corners.
float in_box(float x, float y, float width, float height, float radius) {
  const float dx = std::max({radius - x, x - (width - radius), 0.f}),
              dy = std::max({radius - y, y - (height - radius), 0.f});
  return std::clamp(radius + 0.5f - std::hypot(dx, dy), 0.f, 1.f);
}

constexpr float kBoxAlpha = 0.62f, kBoxGrey = 0.06f;

}  // namespace

VisibleLabel::VisibleLabel(const std::string& preset, int width, int height) {
  const Preset& p = preset_of(preset);
  if (!p.begin) return;
  until_s_ = p.seconds;
  const ImageF words = words_of(p);
  const double shorter = std::min(width, height), margin = std::round(0.03 * shorter);
  double ink = std::max(8.0, std::ceil(0.05 * shorter));
  const double aspect = static_cast<double>(words.width) / words.height;
  // Words and a padding of 0.7 letters on each side must fit.
  ink = std::min(ink, (width - 2 * margin) / (aspect + 1.4));
  const int ink_h = std::max(1, static_cast<int>(ink)), pad = std::max(1, ink_h * 7 / 10);
  const int ink_w = std::max(1, static_cast<int>(std::lround(ink_h * aspect)));
  const int w = std::min(width, ink_w + 2 * pad), h = std::min(height, ink_h + 2 * pad);
  const int x0 = p.right ? width - static_cast<int>(margin) - w : static_cast<int>(margin),
            y0 = p.top ? static_cast<int>(margin) : height - static_cast<int>(margin) - h;
  region_ = {std::clamp(x0, 0, width - w), std::clamp(y0, 0, height - h), 0, 0};
  region_.x1 = region_.x0 + w;
  region_.y1 = region_.y0 + h;

  cv::Mat small;
  cv::resize(cv::Mat(words.height, words.width, CV_32F, const_cast<float*>(words.data.data())),
             small, {ink_w, ink_h}, 0, 0, cv::INTER_AREA);
  rgb_ = ImageF(w, h, 3, 0.f);
  alpha_ = ImageF(w, h, 1, 0.f);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      const int ix = x - pad, iy = y - pad;
      const float letter =
          ix >= 0 && iy >= 0 && ix < ink_w && iy < ink_h ? small.at<float>(iy, ix) : 0.f;
      const float box =
          kBoxAlpha * in_box(static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f,
                             static_cast<float>(w), static_cast<float>(h), 0.6f * pad);
      // Letters over the box over the picture.
      const float a = letter + (1 - letter) * box;
      alpha_.at(x, y) = a;
      const float value = a > 0 ? (letter + (1 - letter) * box * kBoxGrey) / a : 0.f;
      for (int c = 0; c < 3; ++c) rgb_.at(x, y, c) = value;
    }
}

void VisibleLabel::draw(media::Frame& frame) const {
  if (!rgb_.empty()) frame.blend_rgb(region_, rgb_, alpha_);
}

void VisibleLabel::draw(Image8& image) const {
  for (int y = 0; y < rgb_.height; ++y)
    for (int x = 0; x < rgb_.width; ++x)
      for (int c = 0; c < std::min(3, image.channels); ++c) {
        uint8_t& v = image.at(region_.x0 + x, region_.y0 + y, c);
        const float a = alpha_.at(x, y);
        v = static_cast<uint8_t>(
            std::lround((1 - a) * static_cast<float>(v) + a * 255 * rgb_.at(x, y, c)));
      }
}

std::map<std::string, std::string> label_tags(const std::string& preset, uint64_t id) {
  if (!preset_of(preset).aigc) return {};
  const nlohmann::json aigc = {{"Label", "1"},
                               {"ContentProducer", "Likeness"},
                               {"ProduceID", watermark_text(id)},
                               {"ContentPropagator", ""},
                               {"PropagateID", ""}};
  return {{"AIGC", aigc.dump()}};
}

namespace {

/// Of the parts that are not silent.
double loudness(const AudioClip& clip) {
  double energy = 0;
  size_t loud = 0;
  for (float s : clip.samples)
    if (std::fabs(s) > 0.01f) energy += static_cast<double>(s) * s, ++loud;
  return loud ? std::sqrt(energy / static_cast<double>(loud)) : 0.07;
}

/// short-long-short-short at 1 kHz.
std::vector<float> tones(int rate_hz, double rms) {
  const double level = std::clamp(std::sqrt(2.0) * rms, 0.03, 0.5);
  std::vector<float> out;
  const auto add = [&](double seconds, double amplitude) {
    const auto n = static_cast<size_t>(std::lround(seconds * rate_hz));
    const double fade = 0.005 * rate_hz;
    for (size_t i = 0; i < n; ++i) {
      const double edge =
          std::min({1.0, static_cast<double>(i) / fade, static_cast<double>(n - 1 - i) / fade});
      out.push_back(static_cast<float>(
          amplitude * edge * std::sin(2 * M_PI * 1000 * static_cast<double>(i) / rate_hz)));
    }
  };
  for (const double tone : {0.12, 0.36, 0.12, 0.12}) {
    add(tone, level);
    add(0.12, 0);
  }
  add(0.18, 0);
  return out;
}

/// The words, at the clip's rate and as loud as its speech, and a pause.
std::vector<float> spoken_notice(int rate_hz, double rms) {
  constexpr int kHeader = 44, kRate = 16000;  // scripts/make-labels writes nothing else
  const auto bytes = static_cast<int>(likeness_label_spoken_end - likeness_label_spoken_begin);
  const cv::Mat stored(1, (bytes - kHeader) / 2, CV_16S,
                       const_cast<uint8_t*>(likeness_label_spoken_begin) + kHeader);
  cv::Mat words, out;
  stored.convertTo(words, CV_32F, 1.0 / 32768);
  cv::resize(words, out, {static_cast<int>(static_cast<int64_t>(words.cols) * rate_hz / kRate), 1},
             0, 0, rate_hz < kRate ? cv::INTER_AREA : cv::INTER_LANCZOS4);
  AudioClip notice{rate_hz, 1, {out.begin<float>(), out.end<float>()}};
  double peak = 1e-6;
  for (float v : notice.samples) peak = std::max(peak, std::fabs(static_cast<double>(v)));
  const double gain = std::min(std::clamp(rms, 0.02, 0.3) / loudness(notice), 0.9 / peak);
  for (float& v : notice.samples) v *= static_cast<float>(gain);
  notice.samples.resize(notice.samples.size() + static_cast<size_t>(0.35 * rate_hz));
  return std::move(notice.samples);
}

}  // namespace

double add_audible_label(AudioClip& clip, const std::string& preset) {
  const Cue cue = preset_of(preset).cue;
  if (cue == Cue::kNone || clip.rate_hz <= 0 || clip.channels <= 0) return 0;
  const double rms = loudness(clip);
  const std::vector<float> mono =
      cue == Cue::kTones ? tones(clip.rate_hz, rms) : spoken_notice(clip.rate_hz, rms);
  std::vector<float> out;
  out.reserve(mono.size() * static_cast<size_t>(clip.channels) + clip.samples.size());
  for (float s : mono) out.insert(out.end(), static_cast<size_t>(clip.channels), s);
  out.insert(out.end(), clip.samples.begin(), clip.samples.end());
  clip.samples = std::move(out);
  return static_cast<double>(mono.size()) / clip.rate_hz;
}

}  // namespace likeness::trust
