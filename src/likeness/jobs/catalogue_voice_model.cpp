// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "likeness/jobs/catalogue_kinds.h"
#include "likeness/tasks/media_library.h"
#include "likeness/tasks/speak.h"
#include "likeness/tasks/voice_clone.h"
#include "likeness/tasks/voice_enroll.h"

namespace likeness::jobs {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

/// outputs/NAME.wav
fs::path sound_output(const project::Project& p, const json& a, const std::string& proposed) {
  std::string name = text_of(a, "name", false);
  if (name.empty()) name = proposed;
  name = tasks::safe_file_name(name);
  if (fs::path(name).extension() != ".wav") name += ".wav";
  return p.outputs_folder() / name;
}
/// The times of the words: what the page highlights and makes captions of.
fs::path timings_of(fs::path sound) { return sound.replace_extension(".timings.json"); }
Work make_speak(project::Project& p, const json& a, const json& o) {
  const std::string text = text_of(a, "text");
  const fs::path out = sound_output(p, a, "speech");
  tasks::SpeakRequest request;
  request.text = text;
  request.voice = text_of(a, "voice", false);
  request.out = out;
  request.timings = timings_of(out);
  return work_of(p, "Say " + out.filename().string(),
                 std::make_shared<tasks::SpeakTask>(
                     p, request, resolve<tasks::SpeakTaskOptions>(p, "speak", o)));
}
Command command_speak(project::Project& p, const json& a) {
  Command c{{"speak", p.folder().string(), text_of(a, "text")}};
  if (const auto voice = text_of(a, "voice", false); !voice.empty()) c.add("--voice", voice);
  const fs::path out = sound_output(p, a, "speech");
  c.add("--out", out.string());
  c.add("--timings", timings_of(out).string());
  return c;
}

std::string converted_name(const json& a, const fs::path& take) {
  return take.stem().string() + "-as-" + text_of(a, "voice");
}
Work make_convert(project::Project& p, const json& a, const json& o) {
  const std::string voice = text_of(a, "voice");
  const fs::path take = uploaded_path(p, text_of(a, "take", false), "take", "takes");
  if (take.empty()) throw Error(ErrorCode::kUsage, "argument take is missing", "upload one");
  const fs::path out = sound_output(p, a, converted_name(a, take));
  Work work =
      work_of(p, "Say " + take.filename().string() + " as " + voice,
              std::make_shared<tasks::VoiceConvertTask>(
                  p, take, voice, out, resolve<tasks::VoiceConvertOptions>(p, "voice_convert", o)));
  remove_after(work, {take});
  return work;
}
Command command_convert(project::Project& p, const json& a) {
  const fs::path take = uploaded_path(p, text_of(a, "take", false), "take", "takes");
  Command c{{"voice", "convert", p.folder().string(), take.filename().string()}};
  c.add("--voice", text_of(a, "voice"));
  c.add("--out", sound_output(p, a, converted_name(a, take)).string());
  return c;
}

/// Uploaded recordings with their texts (NAME.txt, metadata.csv), and clips of the project.
struct Recordings {
  std::vector<fs::path> uploaded, sounds;
  fs::path texts;  ///< the folder of the uploads, when there are texts in it
};
bool is_text_file(const fs::path& path) {
  return path.extension() == ".txt" || path.extension() == ".csv";
}
Recordings recordings_of(const project::Project& p, const json& a) {
  Recordings out;
  const json given = a.value("recordings", json::array());
  for (const json& one : given.is_array() ? given : json::array({given})) {
    if (!one.is_string())
      throw Error(ErrorCode::kUsage, "argument recordings must be a list of uploaded files",
                  "upload them first");
    const fs::path file = uploaded_path(p, one, "recording", "recordings");
    if (file.empty() ||
        (!out.uploaded.empty() && file.parent_path() != out.uploaded[0].parent_path()))
      throw Error(ErrorCode::kUsage, "the recordings were not uploaded together",
                  "upload them again");
    out.uploaded.push_back(file);
    if (is_text_file(file))
      out.texts = file.parent_path();
    else
      out.sounds.push_back(file);
  }
  const json media = a.value("media", json::array());
  if (!media.is_null() && !(media.is_array() && media.empty()))
    for (const fs::path& clip : clips_of(p, a)) out.sounds.push_back(clip);
  if (out.sounds.empty())
    throw Error(ErrorCode::kUsage, "argument recordings is missing",
                "choose files in which the person speaks alone");
  return out;
}

std::string recording_names(const std::vector<fs::path>& sounds) {
  return sounds.size() == 1 ? sounds[0].filename().string()
                            : std::to_string(sounds.size()) + " recordings";
}

Work make_enroll(project::Project& p, const json& a, const json& o) {
  const std::string subject = text_of(a, "subject");
  p.subject(subject);
  const Recordings given = recordings_of(p, a);
  tasks::EnrollRequest request{
      .subject = subject, .recordings = given.sounds, .transcripts = given.texts};
  Work work = work_of(p, "Enrol the voice of " + subject + " from " + recording_names(given.sounds),
                      std::make_shared<tasks::EnrollTask>(
                          std::move(request), resolve<tasks::EnrollOptions>(p, "enroll", o)));
  work.run = [&p, run = work.run](Progress& progress, const Cancel& cancel) {
    json report = run(progress, cancel);
    tasks::remove_replaced_packs(p, report);
    return report;
  };
  if (!given.uploaded.empty()) remove_after(work, {given.uploaded[0]});
  return work;
}
/// The files have the names they had at home; a browser does not say in which folder.
Command command_enroll(project::Project& p, const json& a) {
  const Recordings given = recordings_of(p, a);
  Command c{{"voice", "enroll", p.folder().string(), text_of(a, "subject")}};
  for (const fs::path& sound : given.sounds) {
    const bool uploaded =
        std::find(given.uploaded.begin(), given.uploaded.end(), sound) != given.uploaded.end();
    c.words.push_back(uploaded ? sound.filename().string() : sound.string());
  }
  if (!given.texts.empty()) {
    const auto table = std::find_if(given.uploaded.begin(), given.uploaded.end(),
                                    [](const fs::path& f) { return f.extension() == ".csv"; });
    c.add("--transcripts", table == given.uploaded.end() ? "." : table->filename().string());
  }
  return c;
}

Work make_voice_train(project::Project& p, const json& a, const json& o) {
  const std::string subject = text_of(a, "subject");
  return work_of(p, "Train the voice of " + subject,
                 std::make_shared<tasks::VoiceTrainTask>(
                     p, subject, resolve<voice::CloneOptions>(p, "voice_train", o)));
}
Command command_voice_train(project::Project& p, const json& a) {
  return {{"voice", "train", p.folder().string(), text_of(a, "subject")}};
}

}  // namespace

std::vector<Kind> voice_kinds() {
  return {
      {"speak", "make speech from text",
       arguments_schema({{"text", argument("string", "text", "what to say, plain or SSML")},
                         {"voice", argument("string", "voice", "who says it; the best here")},
                         {"name", argument("string", "file-name", "of the file in outputs")}},
                        {"text"}),
       schema_of<tasks::SpeakTaskOptions>(), make_speak, command_speak},
      {"voice-convert", "say a recorded take in an enrolled and trained person's voice",
       arguments_schema({{"take", argument("string", "internal", "the uploaded file")},
                         {"voice", argument("string", "voice", "whose voice to say it in")},
                         {"name", argument("string", "file-name", "of the file in outputs")}},
                        {"take", "voice"}),
       schema_of<tasks::VoiceConvertOptions>(), make_convert, command_convert},
      {"voice-enroll", "take in recordings of a person: check, clean, cut, and keep them",
       arguments_schema(
           {{"subject", argument("string", "subject", "whose voice it is")},
            {"recordings", argument("array", "internal", "uploaded files, and texts beside them")},
            {"media",
             {{"type", "array"},
              {"kind", "media"},
              {"items", {{"type", "integer"}}},
              {"description", "clips of the project in which the person speaks alone"}}}},
           {"subject"}),
       schema_of<tasks::EnrollOptions>(), make_enroll, command_enroll},
      {"voice-train", "teach our converter the voice of an enrolled person",
       arguments_schema(
           {{"subject", argument("string", "subject", "whose voice; enrolled before")}},
           {"subject"}),
       schema_of<voice::CloneOptions>(), make_voice_train, command_voice_train},
  };
}

}  // namespace likeness::jobs
