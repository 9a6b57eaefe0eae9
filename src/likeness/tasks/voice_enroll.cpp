// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_enroll.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/text.h"
#include "likeness/tasks/voice_enroll_listen.h"
#include "likeness/tasks/voice_enroll_match.h"
#include "likeness/tasks/voice_enroll_sources.h"
#include "likeness/tasks/voice_enroll_store.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr size_t kPackBytes = 48u << 20;

json finding(const std::string& recording, const std::string& rule, const std::string& text) {
  return {{"recording", recording}, {"rule", rule}, {"text", text}};
}

fs::path piece_path(const fs::path& part, size_t piece) {
  fs::path out = part;
  out.replace_extension();
  char number[16];
  std::snprintf(number, sizeof number, "-%04zu", piece);
  out += number;
  out += ".safetensors";
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", value);
  return text;
}

}  // namespace

/// What one recording gave. The clips stay in their pieces until they are packed.
struct EnrollTask::Heard {
  StoredRecording row;
  std::vector<fs::path> pieces;
  std::vector<voice::SpeakerVector> windows;
  std::vector<double> window_s;  ///< where in the recording, about
  json left_out, warnings = json::array();
};

EnrollTask::EnrollTask(EnrollRequest request, EnrollOptions options)
    : request_(std::move(request)), options_(options) {
  validate_options(options_);
  project::check_name("subject", request_.subject);
  if (request_.recordings.empty())
    throw Error(ErrorCode::kUsage, "no recording was named",
                "name files with sound, or a folder of them");
  if (!voice::SpeakerEncoder::is_installed())
    throw Error(ErrorCode::kMissing,
                "the speaker encoder is not installed: whose voice it is cannot be checked",
                "run scripts/install-voices");
  sources();
}

const std::vector<EnrollTask::Source>& EnrollTask::sources() const {
  if (!sources_.empty()) return sources_;
  const auto texts = read_transcripts(request_.transcripts);
  size_t with_text = 0;
  std::set<std::string> seen;
  for (const fs::path& path : list_recordings(request_.recordings)) {
    Source s{{fs::absolute(path).lexically_normal(), sha256_file(path)}, request_.text};
    if (!seen.insert(s.file.hash).second) continue;
    if (const auto found = texts.find(path.stem().string()); found != texts.end())
      s.text = found->second;
    with_text += s.text.empty() ? 0 : 1;
    sources_.push_back(std::move(s));
  }
  if (!request_.transcripts.empty() && with_text == 0)
    throw Error(ErrorCode::kUsage,
                "none of the recordings has a text in " + request_.transcripts.string(),
                "name the texts as the recordings (a01.txt for a01.wav), or give metadata.csv with "
                "lines a01|text");
  return sources_;
}

json EnrollTask::options() const {
  json j = options_to_json(options_);
  j["subject"] = request_.subject;
  std::string texts;
  for (const auto& s : sources()) texts += s.file.hash + s.text + "\n";
  j["texts_sha256"] = sha256(texts);
  return j;
}
trust::Request EnrollTask::request() const {
  // Stored to make a model of the voice: what the consent vocabulary calls "train".
  return {.task = "enroll",
          .operation = trust::Operation::kTrain,
          .modality = "voice",
          .subjects = {{request_.subject, trust::Role::kIdentity}}};
}
std::vector<trust::Input> EnrollTask::inputs(project::Project&) const {
  std::vector<trust::Input> out;
  for (const auto& s : sources()) out.push_back(s.file);
  return out;
}

std::vector<Chunk> EnrollTask::plan(Run& run) {
  const fs::path folder = enrolled_folder(run.project, request_.subject);
  run.grant.seal_folder(folder);
  const VoiceIndex index = read_voice_index(folder, request_.subject);
  std::vector<Chunk> chunks;
  planned_.clear();
  for (size_t i = 0; i < sources().size(); ++i) {
    const Source& s = sources()[i];
    // Known already, unless it now comes with a text that was not there.
    const bool known =
        std::any_of(index.recordings.begin(), index.recordings.end(), [&](const auto& r) {
          return r.hash == s.file.hash && (s.text.empty() || r.text == s.text);
        });
    if (known && !options_.replace) continue;
    planned_.push_back(i);
    chunks.push_back({"recording-" + std::to_string(i),
                      ".json",
                      "listen to " + s.file.path.filename().string(),
                      {{"source", i}}});
    try {
      planned_s_ += media::probe_audio(s.file.path).duration_s;
    } catch (const Error&) {  // said when it is its turn
    }
  }
  run.progress.begin("enrol recordings of " + request_.subject, planned_s_, "s");
  return chunks;
}

void EnrollTask::run(const Chunk& chunk, const fs::path& out, Run& run) {
  run.grant.require(request());
  const Source& source = sources_.at(chunk.what.at("source").get<size_t>());
  json result = {{"pieces", 0}, {"damage", json::array()}, {"duration_s", 0.0}};
  try {
    PieceReader reader(source.file.path);
    AudioClip piece;
    double duration_s = 0;
    for (size_t n = 0; reader.next(piece); ++n) {
      run.cancel.check();
      duration_s += piece.duration_s();
      const fs::path path = piece_path(out, n);
      std::error_code ec;
      if (!fs::exists(path, ec)) {  // there when this was stopped in the middle
        HeardPiece heard = listen_to(
            piece, source.text, {.denoise = options_.denoise, .alone = n == 0 && reader.ended()});
        heard.begin_s = reader.begin_s();
        write_piece(path, heard);
      }
      result["pieces"] = n + 1;
      result["duration_s"] = duration_s;
      run.progress.set(done_s_ + duration_s, source.file.path.filename().string());
    }
    done_s_ += duration_s;
    for (const auto& d : reader.damage())
      result["damage"].push_back({{"time_s", d.time_s}, {"what", d.what}});
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kBadInput && e.code() != ErrorCode::kDamaged &&
        e.code() != ErrorCode::kUnsupported)
      throw;
    result["error"] = {{"code", error_code_name(e.code())}, {"what", e.what()}};
  }
  write_file_atomic(out, result.dump(-1, ' ', false, json::error_handler_t::replace));
}

EnrollTask::Heard EnrollTask::gather(const Source& source, const fs::path& part, Run& run) const {
  Heard out;
  const std::string name = source.file.path.filename().string();
  const json j = json::parse(read_file(part));
  out.row = {.hash = source.file.hash,
             .name = name,
             .text = source.text,
             .sentence = request_.sentence,
             .enrolled_at = project::now_utc(),
             .duration_s = j.at("duration_s")};
  if (j.contains("error")) {
    out.left_out = finding(name, "unreadable", j["error"]["what"]);
    return out;
  }
  for (const json& d : j.at("damage"))
    out.warnings.push_back(finding(name, "damaged",
                                   "at " + clock_text(std::floor(d["time_s"].get<double>())) +
                                       ": " + d["what"].get<std::string>() + "; the rest is used"));
  const auto pieces = j.at("pieces").get<size_t>();
  json refused;
  for (size_t n = 0; n < pieces; ++n) {
    run.cancel.check();
    const fs::path path = piece_path(part, n);
    const HeardPiece piece = read_piece(path);
    const std::string where =
        pieces > 1 ? clock_text(std::floor(piece.begin_s)) + " to " +
                         clock_text(std::floor(piece.begin_s + piece.duration_s)) + ": "
                   : "";
    for (const json& f : piece.findings) {
      const json said = finding(name, f.at("rule"), where + f.at("text").get<std::string>());
      if (f.at("refused").get<bool>() && refused.is_null()) refused = said;
      out.warnings.push_back(said);
    }
    if (piece.clips.empty()) continue;
    out.pieces.push_back(path);
    out.row.speech_s += piece.speech_s;
    for (const auto& w : piece.windows) {
      out.window_s.push_back(piece.begin_s + piece.duration_s *
                                                 static_cast<double>(&w - piece.windows.data()) /
                                                 static_cast<double>(piece.windows.size()));
      out.windows.push_back(w);
    }
  }
  if (out.pieces.empty()) {
    out.left_out = !refused.is_null() ? refused
                                      : finding(name, "silent",
                                                "nothing can be heard; check microphone and level");
    out.warnings = json::array();
    return out;
  }
  out.row.vector = mean_vector(out.windows);
  if (const TwoVoices two = find_two_voices(out.windows); two.found)
    out.left_out = finding(name, "two-speakers",
                           "more than one voice is in it (the other at about " +
                               clock_text(std::floor(out.window_s[two.first])) + ", cosine " +
                               number(two.cosine) +
                               "); cut the others out, or use recordings of one person alone");
  return out;
}

void EnrollTask::judge_speakers(std::vector<Heard>& heard, const VoiceIndex& index, Run& run,
                                json& report) const {
  std::vector<voice::SpeakerVector> vectors;
  std::vector<double> weights;
  for (const Heard& h : heard)
    if (h.left_out.is_null()) vectors.push_back(h.row.vector), weights.push_back(h.row.speech_s);
  auto reference = consent_voice(run.project, run.grant, request_.subject);
  if (!reference && !options_.replace && !index.recordings.empty())
    reference = VoiceReference{index.speaker(), "what is enrolled already", false};
  if (!reference)
    reference = VoiceReference{common_voice(vectors, weights), "the other recordings", false};
  report["match"] = {{"against", reference->what}};
  if (reference->vector.empty()) return;
  double lowest = 2;
  std::string others;
  for (Heard& h : heard) {
    if (!h.left_out.is_null()) continue;
    const double got = static_cast<double>(voice::cosine(h.row.vector, reference->vector));
    const double least = least_match(h.row.speech_s);
    if (got < lowest) {
      lowest = got;
      report["match"].update({{"least", least}, {"lowest", got}, {"recording", h.row.name}});
    }
    if (got >= least) continue;
    h.left_out =
        finding(h.row.name, reference->consent ? "other-voice-than-consent" : "other-voice",
                "its voice is not that of " + reference->what + " (cosine " + number(got) +
                    ", at least " + number(least) + " is needed)");
    others += (others.empty() ? "" : ", ") + h.row.name + " (cosine " + number(got) + ")";
  }
  if (others.empty() || options_.leave_out) return;
  throw Error(ErrorCode::kRefused,
              "enrolling '" + request_.subject + "' is refused (" +
                  (reference->consent ? "other-voice-than-consent" : "other-voice") +
                  "): these recordings do not have the voice of " + reference->what + ": " + others,
              "take them out, or add --leave-out to enrol the others without them");
}

void EnrollTask::store(std::vector<Heard>& heard, VoiceIndex& index, Run& run,
                       Result& result) const {
  const fs::path folder = enrolled_folder(run.project, request_.subject);
  std::set<std::string> ids;
  for (const auto& r : index.recordings)
    for (const auto& c : r.clips) ids.insert(c.id);
  std::vector<std::pair<std::string, std::vector<uint8_t>>> open;
  std::vector<StoredClip*> waiting;
  size_t bytes = 0;
  const auto write_pack = [&] {
    if (open.empty()) return;
    std::vector<tensor::TensorView> tensors;
    std::string all;
    for (const auto& [id, data] : open) {
      tensors.push_back({id, tensor::DType::kU8, {static_cast<int64_t>(data.size() / 2), 2}, data});
      all += id + sha256(data);
    }
    const std::string name = "pack-" + sha256(all).substr(0, 16) + ".safetensors";
    const fs::path temporary = temporary_name(folder / name);
    tensor::write_safetensors(temporary, tensors, {{"subject", request_.subject}});
    result.outputs.push_back({"voice", temporary, folder / name});
    for (StoredClip* clip : waiting) clip->pack = name;
    open.clear(), waiting.clear(), bytes = 0;
  };
  for (Heard& h : heard) {
    if (!h.left_out.is_null()) continue;
    run.cancel.check();
    std::string stem = fs::path(h.row.name).stem().string();
    if (ids.count(stem) || ids.count(stem + ".1")) stem.append("-").append(h.row.hash, 0, 6);
    // Pointers into the clips must hold until the pack is written.
    size_t clips = 0, n = 0;
    for (const fs::path& p : h.pieces) clips += read_piece(p).clips.size();
    h.row.clips.reserve(clips);
    for (const fs::path& p : h.pieces)
      for (HeardClip& c : read_piece(p).clips) {
        const std::string id = clips > 1 ? stem + "." + std::to_string(++n) : stem;
        ids.insert(id);
        h.row.clips.push_back({id, c.text, "", static_cast<int64_t>(c.samples.size()), c.speech_s,
                               c.f0_hz, c.voiced_s});
        waiting.push_back(&h.row.clips.back());
        open.emplace_back(id, media::pcm16_bytes(c.samples));
        bytes += open.back().second.size();
        if (bytes > kPackBytes) write_pack();
      }
    h.row.warnings = h.warnings;
  }
  write_pack();
  for (Heard& h : heard)
    if (h.left_out.is_null()) index.recordings.push_back(std::move(h.row));
  const fs::path path = enrolled_index_path(folder), temporary = temporary_name(path);
  write_voice_index(temporary, index);
  result.outputs.push_back({"voice", temporary, path});
}

Result EnrollTask::join(const std::vector<fs::path>& parts, Run& run) {
  run.progress.end();
  const fs::path folder = enrolled_folder(run.project, request_.subject);
  VoiceIndex index = read_voice_index(folder, request_.subject);
  std::set<std::string> before;
  for (const auto& r : index.recordings)
    for (const auto& c : r.clips) before.insert(c.pack);
  std::vector<Heard> heard;
  for (size_t i = 0; i < parts.size(); ++i)
    heard.push_back(gather(sources_.at(planned_.at(i)), parts[i], run));
  if (options_.replace) index.recordings.clear();
  for (const Heard& h : heard)  // a text came later: the same recording, once more
    std::erase_if(index.recordings, [&](const auto& r) { return r.hash == h.row.hash; });
  Result result;
  json& report = result.report;
  report = {{"subject", request_.subject},
            {"recordings", sources_.size()},
            {"known", sources_.size() - planned_.size()},
            {"added", 0},
            {"left_out", json::array()},
            {"warnings", json::array()}};
  judge_speakers(heard, index, run, report);
  size_t clips = 0, with_text = 0, added = 0;
  double speech_s = 0;
  for (const Heard& h : heard) {
    for (const json& w : h.warnings) report["warnings"].push_back(w);
    if (!h.left_out.is_null())
      report["left_out"].push_back(h.left_out);
    else
      ++added, speech_s += h.row.speech_s;
  }
  if (added == 0 && !heard.empty()) {
    const json& first = report["left_out"][0];
    throw Error(ErrorCode::kBadInput,
                "none of the " + std::to_string(heard.size()) +
                    " recordings can be used: " + first["recording"].get<std::string>() + " (" +
                    first["rule"].get<std::string>() + "): " + first["text"].get<std::string>(),
                "record again as it says; what was enrolled before is unchanged");
  }
  if (added > 0) store(heard, index, run, result);
  std::set<std::string> now;
  for (const auto& r : index.recordings)
    for (const auto& c : r.clips) {
      now.insert(c.pack);
      ++clips;
      with_text += c.text.empty() ? 0 : 1;
    }
  report["replaced_packs"] = json::array();
  for (const auto& pack : before)
    if (!now.count(pack)) report["replaced_packs"].push_back(pack);
  report["added"] = added;
  report["clips"] = clips;
  report["clips_with_text"] = with_text;
  report["speech_s"] = speech_s;
  report["total_speech_s"] = index.speech_s();
  report["f0_median_hz"] = index.f0_median_hz();
  return result;
}

void remove_replaced_packs(const project::Project& project, const json& report) {
  const fs::path folder = enrolled_folder(project, report.at("subject"));
  std::error_code ec;
  for (const json& pack : report.value("replaced_packs", json::array()))
    fs::remove(folder / fs::path(pack.get<std::string>()).filename(), ec);
}

}  // namespace likeness::tasks
