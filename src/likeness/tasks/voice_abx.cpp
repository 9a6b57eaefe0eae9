// SPDX-License-Identifier: Apache-2.0
// A page with which people judge what numbers cannot: assets/voice/abx.html and the sounds in it.
#include <algorithm>
#include <map>

#include "likeness/audio/loudness.h"
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/hash.h"
#include "likeness/base/text.h"
#include "likeness/media/audio_file.h"
#include "likeness/tasks/voice_enroll_sources.h"
#include "likeness/tasks/voice_ops.h"
#include "likeness/trust/finish.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
using nlohmann::json;

/// assets/voice/abx.html; made by CMake.
extern const char* const kEmbeddedAbx;

namespace {

constexpr double kMostSoundS = 60, kLoudnessLufs = -23;
constexpr size_t kMostBytes = 256u << 20;

/// A whole WAV file in a data: address. Equally loud: the louder of two is always liked better.
std::string sound_address(const fs::path& path) {
  auto sound = media::read_audio(path, kMostSoundS);
  if (sound.cut)
    throw Error(ErrorCode::kBadInput, path.string() + " is longer than a minute",
                "use single sentences for a listening test");
  AudioClip clip = std::move(sound.clip);
  if (clip.channels > 2)
    throw Error(ErrorCode::kBadInput, path.string() + " has more than two channels",
                "use mono or stereo");
  audio::normalise_loudness(clip, {.lufs = kLoudnessLufs});
  return "data:audio/wav;base64," + base64(media::wav_bytes(clip));
}

std::map<std::string, fs::path> by_name(const fs::path& folder) {
  std::error_code ec;
  if (!fs::is_directory(folder, ec))
    throw Error(ErrorCode::kNotFound, folder.string() + " is not a folder",
                "name the folder with the recordings");
  std::map<std::string, fs::path> out;
  for (const auto& path : list_recordings({folder})) out.emplace(path.stem().string(), path);
  return out;
}

std::string folder_name(const fs::path& folder) {
  const fs::path whole = fs::absolute(folder).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

/// Nothing in it can end the script element it stands in.
std::string for_script(const json& j) {
  std::string text = j.dump(-1, ' ', true, json::error_handler_t::replace), out;
  for (const char c : text) out += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return out;
}

}  // namespace

json make_abx_page(const AbxRequest& request, Progress& progress, const Cancel& cancel) {
  if (request.out.extension() != ".html")
    throw Error(ErrorCode::kUsage, "the page must be a .html file", "name it with -o page.html");
  if (request.rounds < 1 || request.rounds > 20)
    throw Error(ErrorCode::kUsage, "a test has 1 to 20 rounds", "use --rounds 1");
  const std::string mode = !request.reference.empty() ? "reference" : request.mode;
  if (mode != "same" && mode != "prefer" && mode != "reference")
    throw Error(ErrorCode::kUsage, "'" + mode + "' is not a question of the test",
                "use --ask same or --ask prefer, or --reference DIR");
  const auto a = by_name(request.a), b = by_name(request.b);
  const auto x = request.reference.empty() ? a : by_name(request.reference);
  std::vector<std::string> both;
  for (const auto& [name, path] : a)
    if (b.count(name) && x.count(name)) both.push_back(name);
  if (both.empty())
    throw Error(ErrorCode::kBadInput, "the folders have no recording of the same name",
                "name the recordings of one sentence alike in all folders: 01.wav and 01.wav");
  const auto shown = [](const std::string& given, const fs::path& folder) {
    return given.empty() ? folder_name(folder) : given;
  };
  json names = {{"a", shown(request.a_name, request.a)}, {"b", shown(request.b_name, request.b)}};
  if (names["a"] == names["b"]) names = {{"a", request.a.string()}, {"b", request.b.string()}};
  json items = json::array();
  size_t bytes = 0;
  progress.begin("make the listening test", static_cast<double>(both.size()), "sentences");
  for (const std::string& name : both) {
    cancel.check();
    json item = {
        {"name", name}, {"a", sound_address(a.at(name))}, {"b", sound_address(b.at(name))}};
    if (mode == "reference") item["x"] = sound_address(x.at(name));
    for (const char* key : {"a", "b", "x"})
      if (item.contains(key)) bytes += item[key].get_ref<const std::string&>().size();
    if (bytes > kMostBytes)
      throw Error(ErrorCode::kBadInput, "the sounds are too large for one page (256 MB)",
                  "use fewer or shorter recordings");
    items.push_back(std::move(item));
    progress.advance();
  }
  progress.end();
  std::string page = kEmbeddedAbx;
  const size_t place = page.find("@DATA@");
  LIKENESS_REQUIRE(place != std::string::npos);
  page.replace(place, 6,
               for_script({{"mode", mode},
                           {"names", names},
                           {"rounds", request.rounds},
                           {"items", std::move(items)}}));
  const fs::path temporary = temporary_name(request.out);
  write_file_atomic(temporary, page);
  trust::Delivery done{{"page", temporary, request.out}, {}};
  for (const auto* side : {&a, &b, &x})  // what they prove of themselves goes along
    for (const std::string& name : both)
      if (side != &x || mode == "reference")
        done.inputs.push_back({side->at(name), sha256_file(side->at(name))});
  trust::deliver({done});
  return {{"output", request.out.string()},
          {"mode", mode},
          {"a", names["a"]},
          {"b", names["b"]},
          {"sentences", both.size()},
          {"trials", both.size() * static_cast<size_t>(request.rounds)},
          {"only_in_one", a.size() + b.size() - 2 * both.size()},
          {"bytes", page.size()}};
}

}  // namespace likeness::tasks
