// SPDX-License-Identifier: Apache-2.0
// Windows come from the shared clips, from stills that are panned over with grain, from noise and
// from textures; each is read at another place of the grid's time. What the quick search does is
// done to every window: all phases, slot boundaries and mirrors of the picture as framed, the best
// fits refined, everything worth decoding decoded, the rule of acceptance applied to each message.
#include "watermark_unmarked.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "watermark_clips.h"

#include "likeness/base/audio.h"
#include "likeness/base/rng.h"
#include "likeness/media/audio_file.h"
#include "likeness/media/video.h"
#include "likeness/trust/watermark_audio_windows.h"
#include "likeness/trust/watermark_evidence.h"
#include "likeness/trust/watermark_grid.h"

namespace likeness::bench {
namespace fs = std::filesystem;
using namespace likeness::trust;
using nlohmann::json;
namespace {

struct Tally {
  int64_t windows = 0, accepted = 0, present = 0;
  double highest = 0, highest_pilots = 0;
  template <typename Result>
  void add(const Result& r) {
    ++windows;
    accepted += r.found;
    present += r.present && !r.found;
    highest = std::max(highest, r.score);
    highest_pilots = std::max(highest_pilots, r.pilot_score);
  }
  json to_json() const {
    return {{"windows", windows},
            {"accepted", accepted},
            {"pilots_accepted", present},
            {"highest", highest},
            {"highest_pilots", highest_pilots}};
  }
};

/// Evidence of a span, once per shift of the slots' boundaries.
using Sets = std::vector<SlotEvidence>;

Sets sets_of(const std::vector<ReducedFrame>& frames, int width, int height) {
  Sets out;
  for (int i = 0; i < kSlotShifts; ++i) {
    out.push_back(slot_evidence(frames, i * kSlotS / kSlotShifts));
    out.back().width = width;
    out.back().height = height;
  }
  return out;
}

Sets clip_sets(const fs::path& file) {
  media::VideoReader reader(file);
  std::vector<ReducedFrame> frames;
  while (auto f = reader.next())
    frames.push_back({f->time.value(), reduced_luma(*f, kVideoChips, kSamplesPerChip)});
  return sets_of(frames, reader.info().width, reader.info().height);
}

/// What was made up: 0 white noise, 1 smooth noise that moves, 2 stripes, 3 a chessboard, 4 dark
/// flat grey with grain.
Sets made_up(int kind, uint64_t seed) {
  constexpr int kWidth = 360, kHeight = 288, kRate = 25, kSeconds = 16;
  Rng rng(seed);
  cv::Mat slow(12, 16, CV_32F);
  for (float& v : cv::Mat_<float>(slow)) v = 60 + 120 * rng.uniform();
  std::vector<ReducedFrame> frames;
  for (int n = 0; n < kRate * kSeconds; ++n) {
    Image8 image(kWidth, kHeight, 3);
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) {
        float v = 128;
        if (kind == 0) v = 255 * rng.uniform();
        if (kind == 1) v = slow.at<float>((y / 24 + n / 9) % 12, (x / 23 + n / 7) % 16);
        if (kind == 2) v = 128 + 90 * std::sin(0.4f * static_cast<float>(x + 2 * n));
        if (kind == 3) v = (x / 12 + y / 12) % 2 ? 200.0f : 60.0f;
        if (kind == 4) v = 20;
        if (kind != 0) v += 4 * rng.normal();
        for (int c = 0; c < 3; ++c)
          image.at(x, y, c) = static_cast<uint8_t>(std::clamp(v, 0.0f, 255.0f));
      }
    const auto frame = media::Frame::from_rgb8(image, n, {kRate, 1});
    frames.push_back(
        {n / static_cast<double>(kRate), reduced_luma(frame, kVideoChips, kSamplesPerChip)});
  }
  return sets_of(frames, kWidth, kHeight);
}

/// A window of 1 to 8 s, moved to a random place of the marks' 8 s and sometimes backwards in time:
/// other chips meet the same picture.
Sets window_of(const Sets& span, Rng& rng) {
  const size_t slots = span[0].slot.size();
  const size_t length = std::min(slots, 8 + rng.below(57)), from = rng.below(slots - length + 1);
  const auto move = static_cast<int64_t>(rng.below(64));
  const bool backwards = rng.below(2) == 1;
  Sets out;
  for (const SlotEvidence& set : span) {
    SlotEvidence w;
    w.width = set.width;
    w.height = set.height;
    const size_t end = std::min(set.slot.size(), from + length);
    for (size_t i = from; i < end; ++i) {
      const size_t k = backwards ? end - 1 - (i - from) : i;
      w.slot.push_back(static_cast<int64_t>(i - from) + move);
      w.evidence.push_back(set.evidence[k]);
    }
    out.push_back(std::move(w));
  }
  return out;
}

void count(const std::string& name, const Sets& span, int windows, int searches, Results& results) {
  EvidenceReader quick(WatermarkKey::product(), WatermarkSearch::kQuick),
      full(WatermarkKey::product(), WatermarkSearch::kFull);
  const auto part = [&](const char* what, EvidenceReader& reader, int wanted) {
    if (wanted == 0 || results.has("unmarked-video", name, what)) return;
    Rng rng(2026, static_cast<FrameIndex>(std::hash<std::string>{}(name)&0xffff), what);
    Tally tally;
    for (int i = 0; i < wanted; ++i) {
      reader.reset();
      reader.add(window_of(span, rng));
      tally.add(reader.result());
    }
    results.add("unmarked-video", name, what, tally.to_json());
  };
  part("as framed", quick, windows);
  part("crops, turns, scales", full, searches);
}

void print(const char* part, const Results& results) {
  int64_t windows = 0, accepted = 0, present = 0;
  double highest = 0;
  for (const auto& j : results.all())
    if (j.value("part", "") == part) {
      windows += j.at("windows").get<int64_t>();
      accepted += j.at("accepted").get<int64_t>();
      present += j.at("pilots_accepted").get<int64_t>();
      highest = std::max(highest, j.at("highest").get<double>());
    }
  std::printf("%s: %lld windows, %lld accepted, %lld with pilots accepted, highest score %.2f\n",
              part, static_cast<long long>(windows), static_cast<long long>(accepted),
              static_cast<long long>(present), highest);
}

}  // namespace

void bench_unmarked_video(const UnmarkedOptions& o, Results& results) {
  const auto clips = video_clips(o.shared);
  constexpr int kMadeUp = 5;
  const int sources = static_cast<int>(clips.size()) + kMadeUp;
  const int windows = (o.windows + sources - 1) / sources,
            searches = (o.searches + sources - 1) / sources;
  for (const Clip& clip : clips) {
    if (results.has("unmarked-video", clip.name, "as framed") &&
        (searches == 0 || results.has("unmarked-video", clip.name, "crops, turns, scales")))
      continue;
    const fs::path plain = o.folder / "plain.mkv";
    if (run_ffmpeg(clip.source + " -t 20 -an -pix_fmt yuv420p -c:v ffv1 " + plain.string()))
      count(clip.name, clip_sets(plain), windows, searches, results);
  }
  static constexpr const char* kNames[kMadeUp] = {"white noise", "smooth noise, moving", "stripes",
                                                  "chessboard", "dark, grain"};
  for (int k = 0; k < kMadeUp; ++k)
    if (!results.has("unmarked-video", kNames[k], "as framed"))
      count(kNames[k], made_up(k, static_cast<uint64_t>(k)), windows, searches, results);
  print("unmarked-video", results);
}

void bench_unmarked_audio(const UnmarkedOptions& o, Results& results) {
  std::vector<fs::path> files;
  for (const char* folder : {"data/ljspeech", "data/librispeech", "data/kathleen"})
    for (const auto& f : fs::recursive_directory_iterator(o.shared / folder))
      if (f.path().extension() == ".wav" || f.path().extension() == ".flac")
        files.push_back(f.path());
  std::sort(files.begin(), files.end());
  Rng choose(7);
  for (size_t i = files.size(); i > 1; --i) std::swap(files[i - 1], files[choose.below(i)]);
  constexpr size_t kParts = 20;
  const int windows = (o.windows + static_cast<int>(kParts) - 1) / static_cast<int>(kParts);
  size_t next = 0;
  for (size_t part = 0; part < kParts; ++part) {
    // A minute of speech of several people; the last three parts: noise, hum, silence with clicks.
    AudioClip sound{24000, 1, {}};
    std::string name = "speech " + std::to_string(part + 1);
    Rng rng(part + 1);
    if (part + 3 >= kParts) {
      name = part + 3 == kParts ? "white noise" : part + 2 == kParts ? "hum" : "clicks";
      for (int i = 0; i < 24000 * 60; ++i)
        sound.samples.push_back(name == "white noise" ? 0.2f * rng.normal()
                                : name == "hum" ? 0.3f * std::sin(0.013f * static_cast<float>(i)) +
                                                      0.01f * rng.normal()
                                                : (i % 4800 < 3 ? 0.8f : 0.001f * rng.normal()));
    }
    while (sound.duration_s() < 60 && next < files.size()) {
      const auto read = media::read_audio(files[next++], 60).clip;
      if (read.rate_hz <= 0 || read.channels != 1) continue;
      // Nearest sample: the rate does not matter for what is counted here.
      const auto frames = static_cast<size_t>(read.duration_s() * 24000);
      for (size_t i = 0; i < frames; ++i)
        sound.samples.push_back(read.samples[std::min(
            read.samples.size() - 1, i * static_cast<size_t>(read.rate_hz) / 24000)]);
    }
    if (results.has("unmarked-audio", name, "") || sound.duration_s() < 20) continue;
    const AudioWindowReader reader(sound);
    Tally tally;
    for (int i = 0; i < windows; ++i) {
      const int length = 64 + static_cast<int>(rng.below(193));  // 2 to 8 s
      const int from = static_cast<int>(rng.below(static_cast<uint64_t>(reader.tiles() - length)));
      tally.add(reader.read(from, from + length));
    }
    results.add("unmarked-audio", name, "", tally.to_json());
  }
  print("unmarked-audio", results);
}

}  // namespace likeness::bench
