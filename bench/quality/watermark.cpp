// SPDX-License-Identifier: Apache-2.0
// What the watermark survives, and how often it is seen where there is none.
//
//   watermark [--shared ../shared] [--clips 10] [--seconds 8] [--windows 100000] [--searches 100]
//             [--only video|audio|still|unmarked-video|unmarked-audio|keep] [--attack TEXT]
//             [--lines FILE] [--out FILE.json] [--keep FOLDER]
//
// Video: clips of the shared data are marked, written losslessly, changed by the ffmpeg program and
// read without any hint; a row of the table is one change. Audio the same with speech.
// `unmarked-*` (watermark_unmarked.cpp) counts what the reader accepts where nothing was marked.
// Table to stdout as Markdown. --lines: one line of JSON per result, written at once; what the file
// holds already is not measured again, so a run that was stopped goes on where it was. --out: the
// whole table as JSON. --keep: every clip and sound, plain and marked, for other programs to
// compare (VMAF, PESQ).
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

#include "watermark_clips.h"
#include "watermark_results.h"
#include "watermark_unmarked.h"

#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/media/video.h"
#include "likeness/trust/watermark_audio.h"
#include "likeness/trust/watermark_still.h"
#include "likeness/trust/watermark_test_util.h"
#include "likeness/trust/watermark_video.h"

namespace {

using namespace likeness;
using namespace likeness::trust;
using namespace likeness::bench;
namespace fs = std::filesystem;

constexpr uint64_t kId = 0x5eed1d0f0a11feedull;

struct Options {
  fs::path shared = "../shared", out, lines, keep;
  int clips = 10;
  double seconds = 8;
  int windows = 100000, searches = 100;
  std::string only, attack;
};

struct Row {
  std::string name, goal;
  int found = 0, count = 0;
  double score = 0, worst = 1e9;
  /// What `results` hold of a change.
  Row(const Results& results, const std::string& part, const std::string& change,
      const std::string& wanted)
      : name(change), goal(wanted) {
    for (const auto& j : results.all()) {
      if (j.value("part", "") != part || j.value("change", "") != change) continue;
      const double z = j.at("score");
      found += j.at("found").get<bool>();
      ++count;
      score += z;
      worst = std::min(worst, z);
    }
  }
};

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

struct Attack {
  std::string name, arguments, goal;
};

std::vector<Attack> video_attacks() {
  std::vector<Attack> a = {{"none", "", "99 %"}};
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

void bench_video(const Options& o, const fs::path& folder, Results& results) {
  const std::vector<Attack> attacks = video_attacks();
  auto clips = video_clips(o.shared);
  clips.resize(std::min(clips.size(), static_cast<size_t>(o.clips)));
  for (const Clip& clip : clips) {
    std::vector<Attack> missing;
    for (const Attack& a : attacks)
      if (a.name.find(o.attack) != std::string::npos && !results.has("video", clip.name, a.name))
        missing.push_back(a);
    if (missing.empty()) continue;
    const fs::path plain = folder / "plain.mkv", marked = folder / "marked.mkv",
                   changed = folder / "changed.mkv";
    if (!run_ffmpeg(clip.source + " -t " + std::to_string(o.seconds) +
                    " -an -pix_fmt yuv420p -c:v ffv1 " + plain.string())) {
      std::cerr << "left out: " << clip.name << "\n";
      continue;
    }
    const Marked m = mark_video(plain, marked);
    if (!results.has("clip", clip.name, ""))
      results.add("clip", clip.name, "",
                  {{"psnr_db", m.psnr_db}, {"ms_per_megapixel", m.ms_per_megapixel}});
    for (const Attack& a : missing) {
      if (!a.arguments.empty() &&
          !run_ffmpeg("-i " + marked.string() + " " + a.arguments + " " + changed.string()))
        continue;
      const double start = cpu_seconds();
      const auto r = read_video_watermark(a.arguments.empty() ? marked : changed);
      results.add("video", clip.name, a.name,
                  {{"found", r.found && r.id == kId},
                   {"present", r.present},
                   {"wrong_id", r.found && r.id != kId},
                   {"score", r.score},
                   {"pilot_score", r.pilot_score},
                   {"read_s", cpu_seconds() - start}});
    }
  }
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

struct Change {
  std::string name, encode, file, goal;
};

std::vector<Change> sound_changes() {
  return {{"sound: none", "-c:a pcm_f32le", "a.wav", "99 %"},
          {"sound: MP3 64 kbit/s", "-c:a libmp3lame -b:a 64k", "a.mp3", "99 %"},
          {"sound: AAC 64 kbit/s", "-c:a aac -b:a 64k", "a.m4a", "99 %"},
          {"sound: Opus 32 kbit/s", "-c:a libopus -b:a 32k", "a.ogg", "99 %"},
          {"sound: Opus 16 kbit/s", "-c:a libopus -b:a 16k", "a.ogg", ""},
          {"sound: 16 kHz, 16 bit", "-ar 16000 -c:a pcm_s16le", "a.wav", "99 %"},
          {"sound: first 1.3 s cut off", "-ss 1.3 -c:a pcm_s16le", "a.wav", "99 %"},
          {"sound: 4 s only, AAC 64 kbit/s", "-ss 2 -t 4 -c:a aac -b:a 64k", "a.m4a", "90 %"},
          {"sound: 1 % faster", "-af asetrate=24240,aresample=24000 -c:a pcm_s16le", "a.wav", ""},
          {"sound: white noise at 20 dB", "", "", "99 %"}};
}

void add_noise(AudioClip& clip) {
  Rng rng(6);
  double power = 0;
  for (float v : clip.samples) power += static_cast<double>(v) * v;
  const double sigma = std::sqrt(power / static_cast<double>(clip.samples.size()) / 100);
  for (float& v : clip.samples) v += static_cast<float>(sigma) * rng.normal();
}

void bench_audio(const Options& o, const fs::path& folder, Results& results) {
  constexpr int kRate = 24000;
  for (const fs::path& file : speech(o)) {
    const std::string name = file.filename().string();
    std::vector<Change> missing;
    for (const Change& c : sound_changes())
      if (!results.has("audio", name, c.name)) missing.push_back(c);
    if (missing.empty()) continue;
    const AudioClip plain =
        read_sound("-i '" + file.string() + "' -t " + std::to_string(o.seconds), kRate);
    AudioClip marked = plain;
    embed_audio_watermark(marked, kId);
    if (!results.has("sound", name, ""))
      results.add("sound", name, "", {{"snr_db", snr_db(plain, marked)}});
    write_sound(marked, folder / "marked.f32");
    const std::string raw = "-f f32le -ar " + std::to_string(kRate) + " -ac 1 -i " +
                            (folder / "marked.f32").string() + " ";
    for (const Change& c : missing) {
      AudioClip changed = marked;
      const std::string coded = (folder / c.file).string();
      if (c.file.empty())
        add_noise(changed);
      else if (run_ffmpeg(raw + c.encode + " " + coded))
        changed = read_sound("-i " + coded, kRate);
      else
        continue;
      const auto r = read_audio_watermark(changed);
      results.add("audio", name, c.name,
                  {{"found", r.found && r.id == kId},
                   {"wrong_id", r.found && r.id != kId},
                   {"score", r.score}});
    }
  }
}

constexpr int kStillQualities[] = {0, 90, 75, 50, 30};  ///< 0: not encoded
std::string still_name(int quality) {
  return quality ? "still: JPEG quality " + std::to_string(quality) : "still: none";
}

void bench_still(const Options& o, Results& results) {
  for (const char* folder : {"data/public-domain", "data/generated", "data/azure-face"})
    for (const fs::path& file : media::list_media(o.shared / folder)) {
      const std::string name = file.filename().string();
      if (results.has("still", name, still_name(kStillQualities[4]))) continue;
      const Image8 plain = media::read_image(file);
      if (!still_watermark_fits(plain.width, plain.height)) continue;
      Image8 marked = plain;
      embed_still_watermark(marked, still_id(kId));
      double error = 0;
      for (size_t i = 0; i < plain.data.size(); ++i)
        error += std::pow(static_cast<double>(marked.data[i]) - plain.data[i], 2);
      if (!results.has("picture", name, ""))
        results.add(
            "picture", name, "",
            {{"psnr_db", 10 * std::log10(65025 * static_cast<double>(plain.data.size()) / error)}});
      for (int q : kStillQualities) {
        if (results.has("still", name, still_name(q))) continue;
        Image8 image = marked;
        if (q) {
          const std::string jpeg = media::encode_jpeg(marked, q);
          image = media::decode_image(jpeg.data(), jpeg.size());
        }
        const auto r =
            read_still_watermark(image, WatermarkKey::product(), WatermarkSearch::kQuick);
        results.add("still", name, still_name(q),
                    {{"found", r.found && r.id == still_id(kId)}, {"score", r.score}});
      }
    }
}

/// NAME.plain.mkv and NAME.marked.mkv, the same in WAV.
void keep_files(const Options& o, const fs::path& folder) {
  fs::create_directories(o.keep);
  int n = 0;
  auto clips = video_clips(o.shared);
  clips.resize(std::min(clips.size(), static_cast<size_t>(o.clips)));
  for (const Clip& clip : clips) {
    const std::string stem = (o.keep / ("clip-" + std::to_string(++n))).string();
    if (run_ffmpeg(clip.source + " -t " + std::to_string(o.seconds) +
                   " -an -pix_fmt yuv420p -c:v ffv1 " + stem + ".plain.mkv"))
      mark_video(stem + ".plain.mkv", stem + ".marked.mkv");
  }
  constexpr int kRate = 16000;
  n = 0;
  for (const fs::path& file : speech(o)) {
    AudioClip sound =
        read_sound("-i '" + file.string() + "' -t " + std::to_string(o.seconds), kRate);
    const std::string stem = (o.keep / ("speech-" + std::to_string(++n))).string();
    const auto write = [&](const std::string& name) {
      write_sound(sound, folder / "a.f32");
      run_ffmpeg("-f f32le -ar " + std::to_string(kRate) + " -ac 1 -i " +
                 (folder / "a.f32").string() + " -c:a pcm_s16le " + name);
    };
    write(stem + ".plain.wav");
    embed_audio_watermark(sound, kId);
    write(stem + ".marked.wav");
  }
}

std::vector<Row> rows_of(const Results& results) {
  std::vector<Row> rows;
  for (const Attack& a : video_attacks()) rows.emplace_back(results, "video", a.name, a.goal);
  for (const Change& c : sound_changes()) rows.emplace_back(results, "audio", c.name, c.goal);
  for (int q : kStillQualities) rows.emplace_back(results, "still", still_name(q), "");
  return rows;
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
  Results results(o.lines);
  const auto wanted = [&](const char* part) { return o.only.empty() || o.only == part; };
  if (wanted("video")) bench_video(o, folder, results);
  if (wanted("audio")) bench_audio(o, folder, results);
  if (wanted("still")) bench_still(o, results);
  if (o.only == "keep") keep_files(o, folder);
  const UnmarkedOptions unmarked = {o.shared, folder, o.windows, o.searches};
  if (wanted("unmarked-video")) bench_unmarked_video(unmarked, results);
  if (wanted("unmarked-audio")) bench_unmarked_audio(unmarked, results);
  const std::vector<Row> rows = rows_of(results);
  print(rows);
  for (const auto& j : results.all())
    if (!j.contains("score")) std::cout << j.dump() << "\n";
  nlohmann::json json;
  json["results"] = results.all();
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
      {"--lines", [&](const std::string& v) { o.lines = v; }},
      {"--keep", [&](const std::string& v) { o.keep = v; }},
      {"--searches", [&](const std::string& v) { o.searches = std::stoi(v); }},
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
