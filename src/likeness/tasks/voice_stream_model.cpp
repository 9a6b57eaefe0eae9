// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <span>

#include <poll.h>
#include <unistd.h>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/tasks/media_inputs.h"
#include "likeness/tasks/voice_stream.h"
#include "likeness/trust/keys.h"
#include "likeness/trust/ledger.h"
#include "likeness/trust/output_audio.h"
#include "likeness/trust/provenance.h"
#include "likeness/trust/watermark_audio_live.h"
#include "likeness/voice/convert_stream.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr size_t kPiece = voice::kHop;
constexpr size_t kMostSamples = 3600u * voice::kRate;  ///< that are kept
constexpr double kPiece_ms = 1000.0 * kPiece / voice::kRate;

std::vector<float> from_bytes(std::span<const uint8_t> bytes) {
  std::vector<float> out(bytes.size() / 2);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<float>(static_cast<int16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8)) / 32768;
  return out;
}

/// Reads up to a piece; fewer at the end, or when a stop is asked for.
std::vector<float> read_piece(int fd, const Cancel& cancel) {
  std::vector<uint8_t> bytes(2 * kPiece);
  size_t have = 0;
  while (have < bytes.size() && !cancel.requested()) {
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, 100);
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t n = ::read(fd, bytes.data() + have, bytes.size() - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno(errno, "cannot read the sound from standard input");
    if (n == 0) break;
    have += static_cast<size_t>(n);
  }
  return from_bytes(std::span(bytes).first(have));
}

std::vector<uint8_t> as_bytes(const std::vector<float>& samples) {
  std::vector<uint8_t> bytes;
  for (const float x : samples) {
    const auto v = static_cast<int16_t>(std::lround(std::clamp(x, -1.0f, 0.99996f) * 32768));
    bytes.push_back(static_cast<uint8_t>(v & 0xff));
    bytes.push_back(static_cast<uint8_t>((v >> 8) & 0xff));
  }
  return bytes;
}

/// False when nobody listens any more.
bool write_all(int fd, const std::vector<uint8_t>& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::write(fd, bytes.data() + at, bytes.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EPIPE) return false;
    if (n < 0) throw_errno(errno, "cannot write the sound to standard output");
    at += static_cast<size_t>(n);
  }
  return true;
}

double mean(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return v.empty() ? 0 : sum / static_cast<double>(v.size());
}
/// What `share` of the values stay below.
double share_of(std::vector<double> v, double share) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return v[std::min(v.size() - 1, static_cast<size_t>(share * static_cast<double>(v.size())))];
}

}  // namespace

fs::path live_record(const project::Project& project, const std::string& subject) {
  std::string now = project::now_utc();
  std::erase_if(now, [](char c) { return c == ':' || c == '-'; });
  return project.outputs_folder() / ("live-as-" + subject + "-" + now + ".wav");
}

VoiceStreamTask::VoiceStreamTask(const project::Project& project, std::string subject,
                                 fs::path record, VoiceStreamOptions options, int in, int out,
                                 VoiceStreamListener listener)
    : subject_(std::move(subject)),
      started_(hex(trust::random_bytes(8))),
      record_(std::move(record)),
      options_(std::move(options)),
      how_(resolved(options_.how)),
      in_(in),
      out_(out),
      listener_(std::move(listener)) {
  validate_options(options_);
  if (!rehearses() && record_.extension() != ".wav")
    throw Error(ErrorCode::kUsage, "the output must be a .wav file", "name it with -o live.wav");
  trained_voice(project, subject_);
}

json VoiceStreamTask::options() const {
  json j = options_to_json(options_);
  // What is said is nowhere before it is said: each stream is work of its own.
  j.update({{"subject", subject_}, {"stream", started_}});
  if (rehearses()) j["rehearsal"] = true;
  return j;
}
trust::Request VoiceStreamTask::request() const {
  return {.task = "voice-stream",
          .operation = trust::Operation::kConvert,
          .modality = "voice",
          .subjects = {{subject_, trust::Role::kIdentity}},
          .preview = rehearses()};
}
std::vector<trust::Input> VoiceStreamTask::inputs(project::Project& project) const {
  const fs::path model = trained_voice(project, subject_);
  return {{model, sha256_file(model)}};
}
std::vector<Chunk> VoiceStreamTask::plan(Run&) {
  return {{"streamed", ".raw", "speak as " + subject_, nullptr}};
}

void VoiceStreamTask::run(const Chunk&, const fs::path& out, Run& run) {
  using Clock = std::chrono::steady_clock;
  run.grant.require(request());
  const voice::Clone clone(trained_voice(run.project, subject_));
  trust::LiveAudioMark mark(run.watermark, voice::kRate, voice::VocoderStream::kWindow);
  voice::ConvertStream stream(clone, {.convert = how_, .speaker_hz = options_.speaker_hz},
                              [&](std::span<std::complex<float>> spectrum, size_t frame) {
                                mark.mark(spectrum, static_cast<double>(frame) * voice::kFrame_s);
                              });
  {  // memory and code are fetched before anybody speaks
    voice::ConvertStream warm(clone, {});
    for (int i = 0; i < 40; ++i) warm.push(std::vector<float>(kPiece, 0.0f));
  }
  constexpr size_t kSecond = voice::kRate / kPiece;
  constexpr auto kMostRehearsed = static_cast<size_t>(kMostRehearsal_s * voice::kRate);
  const double delay_ms = 1000.0 * voice::ConvertStream::kDelay_samples / voice::kRate + kPiece_ms;
  std::vector<uint8_t> kept;
  std::vector<double> took_ms, behind_ms;
  bool listening = true, cut = false;
  size_t heard = 0, late = 0;
  if (listener_.ready) listener_.ready();
  run.progress.begin("speak as " + subject_, 0, "s");
  for (bool last = false; !last && listening;) {
    const std::vector<float> piece = read_piece(in_, run.cancel);
    heard += piece.size();
    last = piece.size() < kPiece || (rehearses() && heard >= kMostRehearsed);
    const auto start = Clock::now();
    const std::vector<uint8_t> made = as_bytes(stream.push(piece, last));
    if (!last) {
      took_ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
      // A slow piece holds up those after it until they have caught up.
      const double before = behind_ms.empty() ? 0 : std::max(0.0, behind_ms.back() - kPiece_ms);
      behind_ms.push_back(before + took_ms.back());
      late += behind_ms.back() > kPiece_ms;
    }
    listening = write_all(out_, made);
    if (!rehearses() && kept.size() + made.size() <= 2 * kMostSamples)
      kept.insert(kept.end(), made.begin(), made.end());
    else
      cut = true;
    if (took_ms.size() % kSecond != 0) continue;
    const double heard_s = static_cast<double>(heard) / voice::kRate;
    run.progress.set(heard_s);
    if (listener_.stats && took_ms.size() >= kSecond) {
      const std::span<const double> took = std::span(took_ms).last(kSecond);
      const std::span<const double> behind = std::span(behind_ms).last(kSecond);
      listener_.stats({heard_s, delay_ms, mean({took.begin(), took.end()}),
                       *std::max_element(behind.begin(), behind.end()), took_ms.size(), late});
    }
  }
  run.progress.end();
  if (heard == 0)
    throw Error(ErrorCode::kBadInput, "no sound came in on standard input",
                "pipe raw sound in: mono, 24000 Hz, 16 bit, as arecord -t raw -f S16_LE -r 24000 "
                "-c 1 gives it");
  write_file_atomic(out, std::string(kept.begin(), kept.end()));
  write_file_atomic(run.work / "stream.json",
                    json{{"delay_ms", delay_ms},
                         {"latency_ms", delay_ms + share_of(behind_ms, 0.99)},
                         {"compute_ms_mean", mean(took_ms)},
                         {"compute_ms_p99", share_of(took_ms, 0.99)},
                         {"behind_ms_worst", share_of(behind_ms, 1)},
                         {"pieces", took_ms.size()},
                         {"late", late},
                         {"heard_s", static_cast<double>(heard) / voice::kRate},
                         {"speaker_hz", stream.speaker_hz()},
                         {"mark_snr_db", mark.snr_db()},
                         {"cut", cut}}
                        .dump());
}

Result VoiceStreamTask::join(const std::vector<fs::path>& parts, Run& run) {
  if (rehearses()) {
    Result result;
    result.report = json::parse(read_file(run.work / "stream.json"));
    const double heard_s = result.report["heard_s"];
    json warnings = json::array();
    if (heard_s >= kMostRehearsal_s)
      warnings.push_back("a rehearsal lasts five minutes at most; go on air to be kept");
    result.report.erase("cut");
    result.report.update({{"voice", subject_},
                          {"rehearsal", true},
                          {"duration_s", heard_s},
                          {"warnings", warnings}});
    trust::Ledger(trust::ledger_path(run.project))
        .append("rehearsed", {{"grant", run.grant.id()},
                              {"subject", subject_},
                              {"heard_s", heard_s},
                              {"watermark", trust::watermark_text(run.watermark)},
                              {"kept", false}});
    return result;
  }
  const std::string raw = read_file(parts.at(0), 4 * kMostSamples);
  const AudioClip clip{voice::kRate, 1,
                       from_bytes({reinterpret_cast<const uint8_t*>(raw.data()), raw.size()})};
  const fs::path temporary = temporary_name(record_);
  const auto written = trust::write_output_audio(run.grant, run.watermark, temporary, clip, true);
  Result result;
  result.outputs.push_back({"audio", temporary, record_});
  result.report = json::parse(read_file(run.work / "stream.json"));
  json warnings = json::array();
  if (result.report["cut"].get<bool>())
    warnings.push_back("only the first hour was kept in the file");
  if (result.report["behind_ms_worst"].get<double>() > 100)
    warnings.push_back("this machine was too slow at times: the sound may have gaps");
  if (!written.readable)
    warnings.push_back(
        "the whole invisible mark cannot be read from this sound (it is short): the manifest alone "
        "says what it is, so keep it with the file");
  result.report.erase("cut");
  result.report.update({{"output", record_.string()},
                        {"voice", subject_},
                        {"duration_s", clip.duration_s()},
                        {"sample_rate_hz", clip.rate_hz},
                        {"mark", written.readable ? "whole" : "not whole"},
                        {"warnings", warnings}});
  return result;
}

}  // namespace likeness::tasks
