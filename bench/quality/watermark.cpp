// SPDX-License-Identifier: Apache-2.0
// What the watermark survives, and how often it is seen where there is none.
//
//   watermark [--shared ../shared] [--clips 12] [--seconds 8] [--windows 2000] [--out FILE.json]
//             [--only video|audio|still|unmarked] [--attack TEXT]
//
// Video: clips of the shared data are marked, written losslessly, changed by the ffmpeg program and
// read without any hint; a row of the table is one change. Audio the same with speech. `unmarked`
// reads messages from evidence of unmarked clips at random places of the grid: each is an
// independent draw of the chips' signs. Table to stdout as Markdown; JSON with --out.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/media/video.h"
#include "likeness/trust/watermark_audio.h"
#include "likeness/trust/watermark_search.h"
#include "likeness/trust/watermark_slots.h"
#include "likeness/trust/watermark_still.h"
#include "likeness/trust/watermark_test_util.h"
#include "likeness/trust/watermark_video.h"

namespace {

using namespace likeness;
using namespace likeness::trust;
namespace fs = std::filesystem;

constexpr uint64_t kId = 0x5eed1d0f0a11feedull;

struct Options {
  fs::path shared = "../shared", out;
  int clips = 12;
  double seconds = 8;
  int windows = 2000;
  std::string only, attack;
};

struct Row {
  std::string name, goal;
  int found = 0, count = 0;
  double score = 0, worst = 1e9;
  void add(bool ok, double z) {
    found += ok;
    ++count;
    score += z;
    worst = std::min(worst, z);
  }
};

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

bool run_ffmpeg(const std::string& arguments) {
  return std::system(("ffmpeg -nostdin -v error -y " + arguments + " </dev/null").c_str()) == 0;
}

struct Clip {
  std::string name, source;  ///< source: ffmpeg's input arguments and filters
};

std::vector<Clip> video_clips(const Options& o) {
  const std::string s = fs::absolute(o.shared).string();
  const auto at = [&](double from, const std::string& file, const std::string& more = "") {
    return "-ss " + std::to_string(from) + " -i " + s + "/" + file + " " + more;
  };
  const std::string hd =
      "-vf scale=1280:720:flags=lanczos:force_original_aspect_ratio=increase,"
      "crop=1280:720";
  return {
      {"ava-take 384", at(0, "performers/ava-to-ben-take.mp4")},
      {"franck 360x288 at 20 s", at(20, "data/talking-face/franck.mp4")},
      {"hard cases 640x360", at(2, "data/derived/hard_cases_dev.mp4")},
      {"ben-train 384", at(5, "performers/ben-train.mp4")},
      {"franck to 720p, grain",
       at(60, "data/talking-face/franck.mp4", hd + ",noise=alls=4:allf=t")},
      {"grid-s1 360x288", "-i 'concat:" + s + "/data/grid-s1/bbaf2n.mpg|" + s +
                              "/data/grid-s1/bgin3a.mpg|" + s + "/data/grid-s1/lrwz5a.mpg'"},
      {"cleo-train 384", at(10, "performers/cleo-train.mp4")},
      {"hard cases 640x360, later", at(10.5, "data/derived/hard_cases_dev.mp4")},
      {"cleo-train to 720p", at(2, "performers/cleo-train.mp4", hd)},
      {"franck 360x288 at 150 s", at(150, "data/talking-face/franck.mp4")},
      {"ava-train 384", at(12, "performers/ava-train.mp4")},
      {"pan over a painting 720p", "-loop 1 -framerate 25 -i " + s +
                                       "/data/public-domain/painting_girl_pearl_earring.jpg -vf "
                                       "scale=1400:-2,crop=1280:720:0:'40*t',noise=alls=3:allf=t"}};
}

struct Attack {
  std::string name, arguments, goal;
};

std::vector<Attack> video_attacks() {
  std::vector<Attack> a;
  for (int crf : {18, 23, 28, 32, 36, 40})
    a.push_back({"H.264 CRF " + std::to_string(crf),
                 "-pix_fmt yuv420p -c:v libx264 -crf " + std::to_string(crf),
                 crf <= 32   ? "99 %"
                 : crf == 36 ? "95 %"
                             : "90 %"});
  for (int crf : {23, 28, 36})
    a.push_back(
        {"H.265 CRF " + std::to_string(crf),
         "-pix_fmt yuv420p -c:v libx265 -x265-params log-level=error -crf " + std::to_string(crf),
         crf <= 28 ? "99 %" : ""});
  const std::string h264 = " -pix_fmt yuv420p -c:v libx264 -crf 23";
  const auto even = [](const std::string& w, const std::string& h) {
    return "-vf scale='trunc(" + w + "/2)*2':'trunc(" + h + "/2)*2'";
  };
  a.push_back({"resize 0.5", even("iw*0.5", "ih*0.5") + h264, "99 %"});
  a.push_back({"resize 0.7", even("iw*0.7", "ih*0.7") + h264, "99 %"});
  a.push_back({"resize 2", even("iw*2", "ih*2") + h264, "99 %"});
  a.push_back({"noise, sigma 10", "-vf noise=alls=34:allf=t" + h264, "99 %"});
  a.push_back({"blur, sigma 3", "-vf gblur=3" + h264, "99 %"});
  a.push_back({"contrast 0.8, brighter", "-vf eq=contrast=0.8:brightness=0.06" + h264, ""});
  a.push_back({"crop, 10 % of the area",
               "-vf crop='trunc(iw*0.949/2)*2':'trunc(ih*0.949/2)*2':iw*0.02:ih*0.01" + h264,
               "95 %"});
  a.push_back({"crop, 20 % of the area",
               "-vf crop='trunc(iw*0.894/2)*2':'trunc(ih*0.894/2)*2':iw*0.07:ih*0.02" + h264,
               "95 %"});
  a.push_back({"rotation 1 degree", "-vf rotate=PI/180" + h264, "95 %"});
  a.push_back({"rotation -2 degrees", "-vf rotate=-2*PI/180" + h264, "95 %"});
  a.push_back({"mirrored", "-vf hflip" + h264, "95 %"});
  a.push_back({"to 24 frames/s", "-vf fps=24" + h264, "95 %"});
  a.push_back({"to 30 frames/s", "-vf fps=30" + h264, "95 %"});
  a.push_back({"first 1.37 s cut off", "-ss 1.37" + h264, ""});
  a.push_back({"crop 20 %, 1.37 s cut off, CRF 28",
               "-ss 1.37 -vf crop='trunc(iw*0.894/2)*2':'trunc(ih*0.894/2)*2':iw*0.07:ih*0.02 "
               "-pix_fmt yuv420p -c:v libx264 -crf 28",
               ""});
  return a;
}

struct Marked {
  double psnr_db = 0, ms_per_megapixel = 0;
};

Marked mark_video(const fs::path& plain, const fs::path& out) {
  media::VideoReader reader(plain);
  const auto& info = reader.info();
  const VideoWatermarker marker(kId, WatermarkKey::product(), info.width, info.height);
  media::WriterOptions lossless;
  lossless.codec = "ffv1";
  media::VideoWriter writer(out, info, lossless);
  double error = 0, cpu = 0;
  int frames = 0;
  while (auto frame = reader.next()) {
    const media::Frame before = *frame;
    frame->writable_luma();  // the copy is not the watermark's cost
    const double start = cpu_seconds();
    marker.embed(*frame, frame->time.value());
    cpu += cpu_seconds() - start;
    error += luma_error(before, *frame);
    ++frames;
    writer.write(*frame);
  }
  writer.finish();
  return {10 * std::log10(65025 * frames / error),
          1e3 * cpu / frames / (info.width * info.height / 1e6)};
}

void bench_video(const Options& o, const fs::path& folder, std::vector<Row>& rows,
                 nlohmann::json& json) {
  const auto attacks = video_attacks();
  std::vector<Row> mine;
  mine.push_back({"none", "99 %"});
  for (const Attack& a : attacks) mine.push_back({a.name, a.goal});
  auto clips = video_clips(o);
  clips.resize(std::min(clips.size(), static_cast<size_t>(o.clips)));
  for (const Clip& clip : clips) {
    const fs::path plain = folder / "plain.mkv", marked = folder / "marked.mkv",
                   changed = folder / "changed.mkv";
    if (!run_ffmpeg(clip.source + " -t " + std::to_string(o.seconds) +
                    " -an -pix_fmt yuv420p -c:v ffv1 " + plain.string())) {
      std::cerr << "left out: " << clip.name << "\n";
      continue;
    }
    const Marked m = mark_video(plain, marked);
    std::cerr << clip.name << ": PSNR " << m.psnr_db << " dB\n";
    json["clips"].push_back(
        {{"name", clip.name}, {"psnr_db", m.psnr_db}, {"ms_per_megapixel", m.ms_per_megapixel}});
    const auto measure = [&](const fs::path& file, Row& row) {
      const auto r = read_video_watermark(file);
      const bool ok = r.found && r.id == kId;
      row.add(ok, r.score);
      std::cerr << "  " << row.name << ": "
                << (ok          ? "found"
                    : r.present ? "PRESENT"
                                : "LOST")
                << " " << r.score << "\n";
      json["video"].push_back({{"clip", clip.name},
                               {"attack", row.name},
                               {"found", ok},
                               {"present", r.present},
                               {"wrong_id", r.found && r.id != kId},
                               {"score", r.score},
                               {"pilot_score", r.pilot_score}});
    };
    if (o.attack.empty()) measure(marked, mine[0]);
    for (size_t i = 0; i < attacks.size(); ++i) {
      if (attacks[i].name.find(o.attack) == std::string::npos) continue;
      if (run_ffmpeg("-i " + marked.string() + " " + attacks[i].arguments + " " + changed.string()))
        measure(changed, mine[i + 1]);
    }
  }
  rows.insert(rows.end(), mine.begin(), mine.end());
}

AudioClip read_sound(const std::string& arguments, int rate_hz) {
  AudioClip clip;
  clip.rate_hz = rate_hz;
  const std::string command = "ffmpeg -nostdin -v error " + arguments + " -ac 1 -ar " +
                              std::to_string(rate_hz) + " -f f32le - </dev/null";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) throw Error(ErrorCode::kMissing, "ffmpeg does not start", "install ffmpeg");
  float buffer[4096];
  while (const size_t n = std::fread(buffer, sizeof(float), 4096, pipe))
    clip.samples.insert(clip.samples.end(), buffer, buffer + n);
  pclose(pipe);
  return clip;
}

void write_sound(const AudioClip& clip, const fs::path& path) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(clip.samples.data()),
            static_cast<std::streamsize>(clip.samples.size() * sizeof(float)));
}

std::vector<fs::path> speech(const Options& o) {
  std::vector<fs::path> files, out;
  for (const char* folder : {"data/ljspeech", "data/librispeech/train-clean-100"}) {
    std::vector<fs::path> these;
    for (const auto& f : fs::directory_iterator(o.shared / folder))
      if (f.path().extension() == ".wav" || f.path().extension() == ".flac")
        these.push_back(f.path());
    std::sort(these.begin(), these.end());
    files.insert(files.end(), these.begin(), these.end());
  }
  for (const auto& f : files) {
    if (static_cast<int>(out.size()) >= o.clips) break;
    // Long enough, judged by decoding: containers lie.
    if (read_sound("-i '" + f.string() + "'", 8000).duration_s() >= o.seconds) out.push_back(f);
  }
  return out;
}

void bench_audio(const Options& o, const fs::path& folder, std::vector<Row>& rows,
                 nlohmann::json& json) {
  struct Change {
    std::string name, encode, file, goal;
  };
  const std::vector<Change> changes = {
      {"sound: none", "-c:a pcm_f32le", "a.wav", "99 %"},
      {"sound: MP3 64 kbit/s", "-c:a libmp3lame -b:a 64k", "a.mp3", "99 %"},
      {"sound: AAC 64 kbit/s", "-c:a aac -b:a 64k", "a.m4a", "99 %"},
      {"sound: Opus 32 kbit/s", "-c:a libopus -b:a 32k", "a.ogg", "99 %"},
      {"sound: Opus 16 kbit/s", "-c:a libopus -b:a 16k", "a.ogg", ""},
      {"sound: 16 kHz, 16 bit", "-ar 16000 -c:a pcm_s16le", "a.wav", "99 %"},
      {"sound: first 1.3 s cut off", "-ss 1.3 -c:a pcm_s16le", "a.wav", "99 %"},
      {"sound: 4 s only, AAC 64 kbit/s", "-ss 2 -t 4 -c:a aac -b:a 64k", "a.m4a", "90 %"},
      {"sound: 1 % faster", "-af asetrate=24240,aresample=24000 -c:a pcm_s16le", "a.wav", ""}};
  std::vector<Row> mine;
  for (const Change& c : changes) mine.push_back({c.name, c.goal});
  mine.push_back({"sound: white noise at 20 dB", "99 %"});
  constexpr int kRate = 24000;
  for (const fs::path& file : speech(o)) {
    const AudioClip plain =
        read_sound("-i '" + file.string() + "' -t " + std::to_string(o.seconds), kRate);
    AudioClip marked = plain;
    embed_audio_watermark(marked, kId);
    json["sounds"].push_back(
        {{"name", file.filename().string()}, {"snr_db", snr_db(plain, marked)}});
    write_sound(marked, folder / "marked.f32");
    const auto measure = [&](const AudioClip& clip, Row& row) {
      const auto r = read_audio_watermark(clip);
      const bool ok = r.found && r.id == kId;
      row.add(ok, r.score);
      json["audio"].push_back({{"clip", file.filename().string()},
                               {"attack", row.name},
                               {"found", ok},
                               {"score", r.score}});
    };
    const std::string raw = "-f f32le -ar " + std::to_string(kRate) + " -ac 1 -i " +
                            (folder / "marked.f32").string() + " ";
    for (size_t i = 0; i < changes.size(); ++i) {
      const std::string coded = (folder / changes[i].file).string();
      if (run_ffmpeg(raw + changes[i].encode + " " + coded))
        measure(read_sound("-i " + coded, kRate), mine[i]);
    }
    Rng rng(6);
    double power = 0;
    for (float v : marked.samples) power += static_cast<double>(v) * v;
    const double sigma = std::sqrt(power / static_cast<double>(marked.samples.size()) / 100);
    for (float& v : marked.samples) v += static_cast<float>(sigma) * rng.normal();
    measure(marked, mine.back());
    std::cerr << file.filename().string() << "\n";
  }
  rows.insert(rows.end(), mine.begin(), mine.end());
}

void bench_still(const Options& o, std::vector<Row>& rows, nlohmann::json& json) {
  std::vector<Row> mine = {{"still: none", ""}};
  const std::vector<int> qualities = {90, 75, 50, 30};
  for (int q : qualities) mine.push_back({"still: JPEG quality " + std::to_string(q), ""});
  for (const char* folder : {"data/public-domain", "data/generated", "data/azure-face"})
    for (const fs::path& file : media::list_media(o.shared / folder)) {
      const Image8 plain = media::read_image(file);
      if (!still_watermark_fits(plain.width, plain.height)) continue;
      Image8 marked = plain;
      embed_still_watermark(marked, still_id(kId));
      double error = 0;
      for (size_t i = 0; i < plain.data.size(); ++i)
        error += std::pow(static_cast<double>(marked.data[i]) - plain.data[i], 2);
      json["stills"].push_back(
          {{"name", file.filename().string()},
           {"psnr_db", 10 * std::log10(65025 * static_cast<double>(plain.data.size()) / error)}});
      const auto measure = [&](const Image8& image, Row& row) {
        const auto r =
            read_still_watermark(image, WatermarkKey::product(), WatermarkSearch::kQuick);
        row.add(r.found && r.id == still_id(kId), r.score);
      };
      measure(marked, mine[0]);
      for (size_t i = 0; i < qualities.size(); ++i) {
        const std::string jpeg = media::encode_jpeg(marked, qualities[i]);
        measure(media::decode_image(jpeg.data(), jpeg.size()), mine[i + 1]);
      }
    }
  rows.insert(rows.end(), mine.begin(), mine.end());
}

/// Messages read where there are none. The highest score and how many would have been accepted.
void bench_unmarked(const Options& o, const fs::path& folder, nlohmann::json& json) {
  auto clips = video_clips(o);
  clips.resize(std::min(clips.size(), static_cast<size_t>(o.clips)));
  const ChipPlan plan = ChipPlan::video(WatermarkKey::product());
  std::vector<SlotEvidence> spans;
  for (const Clip& clip : clips) {
    const fs::path plain = folder / "plain.mkv";
    if (!run_ffmpeg(clip.source + " -t 8 -an -pix_fmt yuv420p -c:v ffv1 " + plain.string()))
      continue;
    media::VideoReader reader(plain);
    std::vector<ReducedFrame> frames;
    while (auto f = reader.next())
      frames.push_back({f->time.value(), reduced_luma(*f, kVideoChips, kSamplesPerChip)});
    spans.push_back(slot_evidence(frames, 0));
    spans.back().width = reader.info().width;
    spans.back().height = reader.info().height;
  }
  Rng rng(2026);
  int accepted = 0, valid = 0, done = 0;
  double highest = 0;
  for (; done < o.windows && !spans.empty(); ++done) {
    const SlotEvidence& span = spans[rng.below(spans.size())];
    GridPose pose;
    pose.scale = rng.uniform(0.7f, 1.6f);
    pose.rotation_rad = rng.uniform(-0.05f, 0.05f);
    pose.mirrored = rng.below(2) == 1;
    pose.offset_x_px = rng.uniform(-1.0f, 1.0f) * static_cast<float>(span.width);
    pose.offset_y_px = rng.uniform(-1.0f, 1.0f) * static_cast<float>(span.height);
    const ChipSamples where =
        chips_of_pose(plan, pose, kVideoChips, span.width, span.height, span.evidence[0].size());
    ChipSums sums(plan);
    const auto phase = static_cast<int64_t>(rng.below(64));
    const size_t length = 8 + rng.below(span.slot.size() - 8),
                 from = rng.below(span.slot.size() - length + 1);
    for (size_t k = from; k < from + length; ++k)
      sums.add(span.evidence[k], where, span.slot[k] + phase);
    const auto r = sums.read();
    valid += r.valid;
    accepted += r.valid && confidence_of_score(r.score, 64, kLogPosesQuick) >= kAcceptConfidence;
    highest = std::max(highest, r.score);
  }
  json["unmarked"] = {{"windows", done},
                      {"messages_decoded", 4 * done},
                      {"crc_right_by_chance", valid},
                      {"accepted", accepted},
                      {"highest_score", highest}};
  std::cout << "\nunmarked: " << done << " windows (" << 4 * done << " messages), " << valid
            << " with a CRC right by chance, " << accepted << " accepted, highest score " << highest
            << "\n";
}

void print(const std::vector<Row>& rows) {
  std::printf("| change | goal | id read | score, mean | lowest |\n|---|---|---|---|---|\n");
  for (const Row& r : rows)
    if (r.count)
      std::printf("| %s | %s | %d of %d | %.1f | %.1f |\n", r.name.c_str(), r.goal.c_str(), r.found,
                  r.count, r.score / r.count, r.worst);
}

int run(const Options& o) {
  std::string name = (fs::temp_directory_path() / "likeness-bench-XXXXXX").string();
  const fs::path folder = mkdtemp(name.data());
  nlohmann::json json;
  std::vector<Row> rows;
  const auto wanted = [&](const char* part) { return o.only.empty() || o.only == part; };
  if (wanted("video")) bench_video(o, folder, rows, json);
  if (wanted("audio")) bench_audio(o, folder, rows, json);
  if (wanted("still")) bench_still(o, rows, json);
  print(rows);
  for (const char* key : {"clips", "sounds", "stills"})
    if (json.contains(key))
      for (const auto& c : json[key]) std::cout << c.dump() << "\n";
  if (wanted("unmarked")) bench_unmarked(o, folder, json);
  for (const Row& r : rows)
    if (r.count)
      json["rows"].push_back({{"change", r.name},
                              {"goal", r.goal},
                              {"found", r.found},
                              {"count", r.count},
                              {"score_mean", r.score / r.count},
                              {"score_lowest", r.worst}});
  if (!o.out.empty()) std::ofstream(o.out) << json.dump(1) << "\n";
  fs::remove_all(folder);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  const std::map<std::string, std::function<void(const std::string&)>> flags = {
      {"--shared", [&](const std::string& v) { o.shared = v; }},
      {"--out", [&](const std::string& v) { o.out = v; }},
      {"--clips", [&](const std::string& v) { o.clips = std::stoi(v); }},
      {"--seconds", [&](const std::string& v) { o.seconds = std::stod(v); }},
      {"--windows", [&](const std::string& v) { o.windows = std::stoi(v); }},
      {"--only", [&](const std::string& v) { o.only = v; }},
      {"--attack", [&](const std::string& v) { o.attack = v; }}};
  try {
    for (int i = 1; i < argc; i += 2) {
      const auto flag = flags.find(argv[i]);
      if (flag == flags.end() || i + 1 >= argc)
        throw Error(ErrorCode::kUsage, std::string("unknown or incomplete: ") + argv[i],
                    "see the top of bench/quality/watermark.cpp");
      flag->second(argv[i + 1]);
    }
    return run(o);
  } catch (const Error& e) {
    std::cerr << e.what() << "\n" << e.hint() << "\n";
    return exit_status(e.code());
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
