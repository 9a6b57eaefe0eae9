// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/corpus.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <sstream>

#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/threads.h"
#include "likeness/media/audio_file.h"
#include "likeness/tensor/safetensors.h"

namespace likeness::voice {
namespace fs = std::filesystem;
namespace {

std::map<std::string, std::string> read_texts(const fs::path& csv) {
  std::map<std::string, std::string> out;
  std::istringstream in(read_file(csv, 64 << 20));
  for (std::string line; std::getline(in, line);) {
    const size_t bar = line.find('|');
    if (bar == std::string::npos) continue;
    std::string text = line.substr(bar + 1);
    if (const size_t more = text.rfind('|'); more != std::string::npos)
      text = text.substr(more + 1);  // LJ Speech: id|as written|as read
    while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.pop_back();
    out[line.substr(0, bar)] = text;
  }
  return out;
}

}  // namespace

std::vector<Utterance> read_corpus(const fs::path& folder) {
  static const std::set<std::string> kinds = {".wav",  ".flac", ".mp3", ".ogg",
                                              ".opus", ".m4a",  ".mp4", ".mpg"};
  std::error_code ec;
  if (!fs::is_directory(folder, ec))
    throw Error(ErrorCode::kNotFound, "there is no folder " + folder.string(),
                "name a folder of recordings");
  std::map<std::string, std::string> texts;
  std::vector<Utterance> out;
  for (const auto& e : fs::recursive_directory_iterator(folder)) {
    const fs::path& p = e.path();
    if (p.filename() == "metadata.csv") texts.merge(read_texts(p));
    if (!e.is_regular_file() || !kinds.count(p.extension().string())) continue;
    Utterance u;
    u.audio = p;
    u.id = fs::relative(p, folder).replace_extension().string();
    const std::string name = p.stem().string();
    const size_t dash = name.find('-');
    u.speaker = dash != std::string::npos ? name.substr(0, dash)
                                          : fs::absolute(p).parent_path().filename().string();
    const fs::path beside = fs::path(p).replace_extension(".txt");
    if (fs::exists(beside, ec)) u.text = read_file(beside, 1 << 20);
    out.push_back(std::move(u));
  }
  if (out.empty())
    throw Error(ErrorCode::kNotFound, "there are no recordings in " + folder.string(),
                "wav, flac, mp3, ogg, m4a and films with sound are read");
  for (Utterance& u : out)
    if (const auto it = texts.find(u.audio.stem().string()); u.text.empty() && it != texts.end())
      u.text = it->second;
  std::sort(out.begin(), out.end(),
            [](const Utterance& a, const Utterance& b) { return a.id < b.id; });
  return out;
}

bool is_held_out(size_t index, size_t total, size_t count) {
  if (count == 0 || count > total) return false;
  const size_t k = (index * count + total - 1) / total;  // the only i with i*total/count == index
  return k < count && k * total / count == index;
}

std::vector<Piece> load_pieces(const std::vector<Utterance>& utterances, const fs::path& cache,
                               Progress& progress, const Cancel& cancel) {
  std::map<std::string, std::vector<float>> known;
  const fs::path file = cache / "pitch.safetensors";
  std::error_code ec;
  if (!cache.empty() && fs::exists(file, ec))
    for (const tensor::SafeTensors saved(file); const auto& t : saved.tensors())
      known[t.name] = t.to_float();
  const size_t known_before = known.size();
  std::vector<Piece> pieces(utterances.size());
  std::mutex mutex;
  progress.begin("read recordings", static_cast<double>(utterances.size()), "files");
  parallel_for(0, static_cast<int>(utterances.size()), [&](int i) {
    cancel.check();
    const Utterance& u = utterances[static_cast<size_t>(i)];
    Piece& p = pieces[static_cast<size_t>(i)];
    try {
      p.from = u;
      p.sound = to_voice_rate(media::read_audio(u.audio).clip);
      // Times are for one state of the file; its length tells most changes.
      const std::string key = u.audio.string() + ":" + std::to_string(fs::file_size(u.audio));
      std::vector<float> f0;
      {
        const std::lock_guard lock(mutex);
        if (const auto it = known.find(key); it != known.end()) f0 = it->second;
      }
      p.features = analyse(p.sound, f0.empty());
      if (f0.size() == p.features.frames)
        p.features.f0_hz = std::move(f0);
      else if (p.features.f0_hz.empty())
        p.features = analyse(p.sound, true);
      const std::lock_guard lock(mutex);
      known[key] = p.features.f0_hz;
    } catch (const Error& e) {
      if (e.code() == ErrorCode::kCancelled) throw;
      log_warning(u.audio.string() + " is left out: " + e.what());
      p.sound.clear();
    }
    progress.advance();
  });
  progress.end();
  std::erase_if(pieces, [](const Piece& p) { return p.sound.size() < kRate / 2; });
  if (!cache.empty() && known.size() != known_before) {
    std::vector<tensor::TensorView> views;
    for (const auto& [name, f0] : known)
      views.push_back({name,
                       tensor::DType::kF32,
                       {static_cast<int64_t>(f0.size())},
                       {reinterpret_cast<const uint8_t*>(f0.data()), f0.size() * sizeof(float)}});
    tensor::write_safetensors(file, views);
  }
  return pieces;
}

}  // namespace likeness::voice
