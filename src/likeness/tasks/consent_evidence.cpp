// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/consent_evidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/face/video_analysis.h"
#include "likeness/media/audio_samples.h"
#include "likeness/media/video.h"

namespace likeness::tasks {
namespace {

constexpr float kDegrees = 57.29578f;
constexpr int kRateHz = 16000;
constexpr double kLagS = 0.4, kSlowS = 0.5;
constexpr float kClosedMouth = 0.02f;
// MediaPipe mesh: inner lips and outer corners of the eyes.
constexpr int kUpperLip = 13, kLowerLip = 14, kEyeCorners[2] = {33, 263};

double mean_of(const std::vector<double>& v) {
  return v.empty() ? 0 : std::accumulate(v.begin(), v.end(), 0.0) / static_cast<double>(v.size());
}

/// Moving average over 2 h + 1 frames.
template <typename T>
std::vector<double> smooth(const std::vector<T>& in, int h) {
  std::vector<double> out(in.size());
  for (int i = 0; i < static_cast<int>(in.size()); ++i) {
    double sum = 0;
    int n = 0;
    for (int k = std::max(0, i - h); k <= std::min(static_cast<int>(in.size()) - 1, i + h); ++k)
      sum += in[static_cast<size_t>(k)], ++n;
    out[static_cast<size_t>(i)] = sum / n;
  }
  return out;
}

std::vector<double> without_slow(const std::vector<double>& in, int h) {
  std::vector<double> out = smooth(in, h);
  for (size_t i = 0; i < out.size(); ++i) out[i] = in[i] - out[i];
  return out;
}

/// Pearson correlation of a[i] with b[i + lag], over where both exist.
double correlation(const std::vector<double>& a, const std::vector<double>& b, int lag) {
  const int n = static_cast<int>(std::min(a.size(), b.size()));
  std::vector<double> x, y;
  for (int i = std::max(0, -lag); i < n && i + lag < n; ++i) {
    x.push_back(a[static_cast<size_t>(i)]);
    y.push_back(b[static_cast<size_t>(i + lag)]);
  }
  const double mx = mean_of(x), my = mean_of(y);
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mx) * (y[i] - my);
    xx += (x[i] - mx) * (x[i] - mx);
    yy += (y[i] - my) * (y[i] - my);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

/// The faces of the person who is in the video longest.
std::vector<const face::Face*> main_person(const face::ClipAnalysis& clip, EvidenceReport& r) {
  std::map<int, int> cluster_of;
  std::map<int, int64_t> faces_of;
  for (const auto& t : clip.tracks) cluster_of[t.id] = t.cluster;
  for (const auto& f : clip.faces) ++faces_of[cluster_of[f.track]];
  int most = -1;
  for (const auto& [cluster, n] : faces_of)
    if (most < 0 || n > faces_of[most]) most = cluster;
  // Somebody else for more than a tenth of the time is a second person.
  for (const auto& [cluster, n] : faces_of)
    if (n * 10 > faces_of[most]) ++r.people;
  std::vector<const face::Face*> out;
  std::set<FrameIndex> seen;
  for (const auto& f : clip.faces)
    if (cluster_of[f.track] == most && seen.insert(f.frame).second) out.push_back(&f);
  return out;
}

void compare_faces(const std::vector<const face::Face*>& faces, const face::Embedding& known,
                   EvidenceReport& r) {
  double sum = 0;
  for (const auto* f : faces) {
    if (!f->has_embedding) continue;
    const double d = face::embedding_distance(f->embedding, known);
    ++r.compared;
    sum += d;
    r.distance_max = std::max(r.distance_max, d);
    for (size_t i = 0; i < r.face.size(); ++i) r.face[i] += f->embedding[i];
  }
  if (r.compared == 0) return;
  r.distance_mean = sum / r.compared;
  for (float& v : r.face) v /= static_cast<float>(r.compared);
}

double range_deg(const std::vector<const face::Face*>& faces, float face::HeadPose::*angle) {
  std::vector<float> v;
  for (const auto* f : faces) v.push_back(f->pose.*angle);
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());  // without the two per cent at either end
  const size_t skip = v.size() / 50;
  return (v[v.size() - 1 - skip] - v[skip]) * kDegrees;
}

float opening(const face::Face& f) {
  const auto at = [&](int i) { return Point2{f.points[i].x, f.points[i].y}; };
  const float eyes = distance(at(kEyeCorners[0]), at(kEyeCorners[1]));
  return eyes > 1 ? distance(at(kUpperLip), at(kLowerLip)) / eyes : 0;
}

/// When each frame is shown. Browsers and phones record without a constant rate, and what the
/// container says of it can be far off: 1000 a second in a WebM of MediaRecorder.
std::vector<double> frame_times(const std::filesystem::path& video, const Cancel& cancel) {
  std::vector<double> out;
  media::VideoReader reader(video);
  while (const auto frame = reader.next()) {
    cancel.check();
    out.push_back(frame->time.value());
  }
  return out;
}

/// Frames a second, by their times; the container's number where it agrees, because it is exact.
double rate_of(const std::vector<double>& times, double said) {
  if (times.size() < 2 || times.back() <= times.front()) return said;
  const double rate = static_cast<double>(times.size() - 1) / (times.back() - times.front());
  return std::fabs(rate - said) < 0.01 * rate ? said : rate;
}

MouthAndSound signals(const std::filesystem::path& video, const std::vector<double>& times,
                      double frame_rate, const std::vector<const face::Face*>& faces) {
  MouthAndSound out;
  out.frame_rate = frame_rate;
  const auto samples = media::read_mono(video, kRateHz, 600);
  if (samples.empty() || out.frame_rate <= 0 || times.empty()) return out;
  std::vector<float> by_frame(times.size());
  float last = 0;
  size_t next = 0;
  for (size_t i = 0; i < by_frame.size(); ++i) {  // a lost mouth stays as it was
    while (next < faces.size() && faces[next]->frame <= static_cast<FrameIndex>(i))
      last = opening(*faces[next++]);
    by_frame[i] = last;
  }
  // At even times, as the loudness is: what is shown then.
  const double count = times.back() * out.frame_rate + 1;
  if (count > 4 * static_cast<double>(times.size()) + 100) return out;  // times that make no sense
  out.mouth.resize(static_cast<size_t>(std::lround(count)));
  for (size_t k = 0, i = 0; k < out.mouth.size(); ++k) {
    const double time = (static_cast<double>(k) + 0.5) / out.frame_rate;
    while (i + 1 < times.size() && times[i + 1] <= time) ++i;
    out.mouth[k] = by_frame[i];
  }
  out.loudness = loudness_per_frame(samples, kRateHz, out.frame_rate, out.mouth.size());
  return out;
}

void check_sound(const MouthAndSound& s, EvidenceReport& r) {
  const LipSync sync = lip_sync(s.mouth, s.loudness, s.frame_rate);
  r.sync_correlation = sync.correlation;
  r.sync_detail = sync.detail;
  r.sync_lag_ms = sync.lag_s * 1000;
  r.speech_s = sync.speech_s;
}

face::ClipAnalysis analyse_evidence(const std::filesystem::path& video, Progress& progress,
                                    const Cancel& cancel) {
  static const face::FaceNets nets;
  face::AnalysisOptions options;
  options.embed_every = 6;
  options.smooth = 0;  // lips move fast
  return face::analyse_clip(video, nets, options, progress, cancel);
}

/// The first check that fails.
void judge(EvidenceReport& r) {
  auto fail = [&](const char* rule, const std::string& why, const std::string& hint) {
    if (r.failed.empty()) r.failed = rule, r.why = why, r.hint = hint;
  };
  auto number = [](double v) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", v);
    return std::string(text);
  };
  const std::string again = "record the statement again: one person, good light, the face in view";
  if (r.duration_s < kMinDurationS)
    fail("evidence-too-short",
         "it is " + number(r.duration_s) + " s long, " + number(kMinDurationS) + " s are needed",
         again);
  if (r.faces * 10 < r.frames * 8 || r.compared < kMinCompared)
    fail("evidence-no-face",
         "a face is seen in " + std::to_string(r.faces) + " of " + std::to_string(r.frames) +
             " frames",
         again);
  if (r.people > 1) fail("evidence-several-people", "more than one person is in it", again);
  if (r.distance_mean > kMaxFaceDistance)
    fail("evidence-other-face",
         "its face is not the one of the faceset (distance " + number(r.distance_mean) +
             ", at most " + number(kMaxFaceDistance) + ")",
         "the person of the faceset must read the words; check that the faceset holds nobody else");
  if (r.cuts > 0)
    fail("evidence-cut", "it has " + std::to_string(r.cuts) + " cut(s); one take is needed",
         "record it in one take and do not edit it");
  if (std::max(r.yaw_range_deg, r.pitch_range_deg) < kMinTurnDeg)
    fail("evidence-no-turn",
         "the head does not turn (" + number(std::max(r.yaw_range_deg, r.pitch_range_deg)) +
             " degrees, " + number(kMinTurnDeg) + " are needed)",
         "turn the head to one side and back while reading");
  if (r.speech_s < kMinSpeechS)
    fail("evidence-no-speech", "no speech is heard in it", "record it with sound");
  if (r.sync_correlation + r.sync_detail < kMinSync || std::fabs(r.sync_lag_ms) > kMaxLagS * 1000)
    fail("evidence-not-live",
         "the mouth does not move with the sound (" + number(r.sync_correlation + r.sync_detail) +
             " of " + number(kMinSync) + ", at " + std::to_string(std::lround(r.sync_lag_ms)) +
             " ms)",
         "record picture and sound together; do not replace the sound");
}

}  // namespace

std::vector<float> loudness_per_frame(const std::vector<float>& samples, int rate_hz,
                                      double frame_rate, size_t frames) {
  std::vector<float> out(frames, -80.f);
  const double step = rate_hz / frame_rate;
  for (size_t i = 0; i < frames; ++i) {
    // A window of two frames around the frame's middle; the first difference takes rumble away.
    const double middle = (static_cast<double>(i) + 0.5) * step;
    const auto from = static_cast<size_t>(std::max(1.0, middle - step));
    const auto to = std::min(samples.size(), static_cast<size_t>(middle + step));
    double sum = 0;
    for (size_t k = from; k < to; ++k) {
      const double d = samples[k] - 0.9 * samples[k - 1];
      sum += d * d;
    }
    if (to > from)
      out[i] = static_cast<float>(10 * std::log10(sum / static_cast<double>(to - from) + 1e-8));
  }
  return out;
}

LipSync lip_sync(const std::vector<float>& mouth, const std::vector<float>& loudness,
                 double frame_rate) {
  LipSync out;
  if (mouth.size() < 8 || loudness.size() < 8 || frame_rate <= 0) return out;
  std::vector<float> sorted(loudness);
  std::sort(sorted.begin(), sorted.end());
  const float floor = sorted[sorted.size() / 20], top = sorted[sorted.size() * 19 / 20];
  for (float v : loudness)
    if (top > -60 && top - floor > 6 && v > (floor + top) / 2) out.speech_s += 1 / frame_rate;
  // From the quietest to the loudest only: pauses are pauses, however silent.
  std::vector<float> level(loudness);
  for (float& v : level) v = std::clamp(v, std::max(floor, top - 35), top);
  const auto frames = [&](double s) { return static_cast<int>(std::lround(s * frame_rate)); };
  const int h = std::max(1, frames(0.04));
  std::vector<float> opened(mouth);
  for (float& v : opened) v = std::log(kClosedMouth + v);
  const auto a = smooth(opened, h), b = smooth(level, h);
  for (int lag = -frames(kLagS); lag <= frames(kLagS); ++lag) {
    const double c = correlation(a, b, lag);
    if (c > out.correlation) out.correlation = c, out.lag_s = lag / frame_rate;
  }
  const auto fast_a = without_slow(a, frames(kSlowS)), fast_b = without_slow(b, frames(kSlowS));
  for (int lag = -frames(kMaxLagS); lag <= frames(kMaxLagS); ++lag)
    out.detail = std::max(out.detail, correlation(fast_a, fast_b, lag));
  return out;
}

nlohmann::json EvidenceReport::to_json() const {
  auto round = [](double v, double step) { return std::round(v / step) * step; };
  return {{"face",
           {{"ok", compared >= kMinCompared && distance_mean <= kMaxFaceDistance},
            {"frames", compared},
            {"distanceMean", round(distance_mean, 1e-3)},
            {"distanceMax", round(distance_max, 1e-3)},
            {"limit", kMaxFaceDistance},
            {"people", people}}},
          {"pose",
           {{"ok", std::max(yaw_range_deg, pitch_range_deg) >= kMinTurnDeg},
            {"yawRangeDeg", round(yaw_range_deg, 0.1)},
            {"pitchRangeDeg", round(pitch_range_deg, 0.1)}}},
          {"singleTake", {{"ok", cuts == 0}, {"cuts", cuts}, {"seconds", round(duration_s, 0.01)}}},
          {"avSync",
           {{"ok", sync_correlation + sync_detail >= kMinSync &&
                       std::fabs(sync_lag_ms) <= kMaxLagS * 1000},
            {"correlation", round(sync_correlation, 1e-3)},
            {"detail", round(sync_detail, 1e-3)},
            {"lagMs", std::round(sync_lag_ms)},
            {"limit", kMinSync},
            {"speechSeconds", round(speech_s, 0.01)}}}};
}

EvidenceReport check_evidence(const std::filesystem::path& video, const face::Embedding& known,
                              Progress& progress, const Cancel& cancel) {
  const auto clip = analyse_evidence(video, progress, cancel);
  EvidenceReport r;
  r.frames = clip.frames;
  const auto times = frame_times(video, cancel);
  const double rate = rate_of(times, clip.info.frame_rate.value());
  if (rate > 0 && !times.empty()) r.duration_s = times.back() - times.front() + 1 / rate;
  r.cuts = static_cast<int>(clip.cuts.size());
  const auto faces = main_person(clip, r);
  r.faces = static_cast<int64_t>(faces.size());
  compare_faces(faces, known, r);
  r.yaw_range_deg = range_deg(faces, &face::HeadPose::yaw_rad);
  r.pitch_range_deg = range_deg(faces, &face::HeadPose::pitch_rad);
  check_sound(signals(video, times, rate, faces), r);
  judge(r);
  return r;
}

MouthAndSound mouth_and_sound(const std::filesystem::path& video, Progress& progress,
                              const Cancel& cancel) {
  const auto clip = analyse_evidence(video, progress, cancel);
  EvidenceReport ignored;
  const auto times = frame_times(video, cancel);
  return signals(video, times, rate_of(times, clip.info.frame_rate.value()),
                 main_person(clip, ignored));
}

std::vector<std::string> evidence_models() {
  std::vector<std::string> out;
  for (const char* name :
       {"face_detection_short_range.tflite", "face_landmark.tflite", "face_recognition.bin"}) {
    const auto path = face::models_folder() / name;
    out.push_back(std::string(name) + " sha256:" + sha256_file(path).substr(0, 16));
  }
  return out;
}

}  // namespace likeness::tasks
