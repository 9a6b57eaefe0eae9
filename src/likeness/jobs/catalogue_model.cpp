// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include "likeness/base/atomic_file.h"
#include "likeness/base/hash.h"
#include "likeness/jobs/catalogue.h"
#include "likeness/jobs/catalogue_kinds.h"
#include "likeness/tasks/analyse_task.h"
#include "likeness/tasks/consent_ops.h"
#include "likeness/tasks/evaluate_task.h"
#include "likeness/tasks/extract.h"
#include "likeness/tasks/media_library.h"
#include "likeness/tasks/output_library.h"
#include "likeness/tasks/presets.h"
#include "likeness/tasks/swap.h"
#include "likeness/tasks/swap_polygons.h"
#include "likeness/tasks/train.h"
#include "likeness/tasks/voice_stream.h"

namespace likeness::jobs {
namespace fs = std::filesystem;
using nlohmann::json;

// Shared with the other files of the catalogue ----------------------------------------------------

json argument(const char* type, const char* kind, const char* help) {
  return {{"type", type}, {"kind", kind}, {"description", help}};
}
json arguments_schema(const json& properties, const json& required) {
  return {{"type", "object"},
          {"additionalProperties", false},
          {"properties", properties},
          {"required", required}};
}

std::string text_of(const json& arguments, const char* name, bool required) {
  const auto it = arguments.find(name);
  if (it == arguments.end() || it->is_null()) {
    if (!required) return "";
    throw Error(ErrorCode::kUsage, std::string("argument ") + name + " is missing", "choose one");
  }
  if (!it->is_string() || (required && it->get<std::string>().empty()))
    throw Error(ErrorCode::kUsage, std::string("argument ") + name + " must be a text",
                "choose one");
  return *it;
}

namespace {

fs::path clip_path(const project::Project& project, const json& id) {
  if (!id.is_number_integer())
    throw Error(ErrorCode::kUsage, "argument media must be the number of a clip",
                "see the list of the project's media");
  return tasks::media_file(project, tasks::media_row(project, id));
}

}  // namespace

std::vector<fs::path> clips_of(const project::Project& project, const json& arguments) {
  const json list = arguments.value("media", json::array());
  std::vector<fs::path> out;
  for (const auto& id : list.is_array() ? list : json::array({list}))
    out.push_back(clip_path(project, id));
  if (out.empty()) throw Error(ErrorCode::kUsage, "no clip was chosen", "choose at least one clip");
  return out;
}

fs::path uploaded_path(const project::Project& p, const std::string& text, const char* name,
                       const std::string& kind) {
  const std::string folder = "work/" + kind + "/";
  if (text.empty()) return {};
  const fs::path inside = fs::path(text).lexically_normal();
  if (inside.is_absolute() || inside.string().rfind(folder, 0) != 0)
    throw Error(ErrorCode::kUsage, std::string("the ") + name + " is not an uploaded file",
                "upload it first");
  return p.folder() / inside;
}

Work work_of(project::Project& project, std::string title, std::shared_ptr<tasks::Task> task) {
  Work work{.title = std::move(title)};
  work.authorise = [&project, task] { trust::authorise(project, task->request()); };
  work.run = [&project, task](Progress& progress, const Cancel& cancel) {
    return tasks::run_task(*task, project, progress, cancel).report;
  };
  return work;
}

void remove_after(Work& work, std::vector<fs::path> files) {
  work.run = [run = work.run, files = std::move(files)](Progress& progress, const Cancel& cancel) {
    json result = run(progress, cancel);
    std::error_code ec;
    for (const fs::path& file : files) fs::remove_all(file.parent_path(), ec);
    return result;
  };
}

namespace {

fs::path clip_of(const project::Project& project, const json& arguments) {
  const json id = arguments.value("media", json());
  return clip_path(project, id.is_array() && id.size() == 1 ? id[0] : id);
}

template <typename T, typename... A>
Work task_work(project::Project& project, std::string title, A&&... a) {
  return work_of(project, std::move(title), std::make_shared<T>(std::forward<A>(a)...));
}

std::string clip_names(const std::vector<fs::path>& clips) {
  return clips.size() == 1 ? clips[0].filename().string() : std::to_string(clips.size()) + " clips";
}

// Tasks -------------------------------------------------------------------------------------------

Work make_analyse(project::Project& p, const json& a, const json& o) {
  auto clips = clips_of(p, a);
  const std::string title = "Find faces in " + clip_names(clips);
  return task_work<tasks::AnalyseTask>(p, title, std::move(clips),
                                       resolve<tasks::AnalyseTaskOptions>(p, "analyse", o));
}
Command command_analyse(project::Project& p, const json& a) {
  Command c{{"extract", p.folder().string()}};
  for (const auto& clip : clips_of(p, a)) c.words.push_back(clip.string());
  c.add("--subject", "SUBJECT");
  return c;
}

Work make_extract(project::Project& p, const json& a, const json& o) {
  auto clips = clips_of(p, a);
  const std::string subject = text_of(a, "subject");
  p.subject(subject);
  const std::string title = "Extract " + subject + " from " + clip_names(clips);
  return task_work<tasks::ExtractTask>(p, title, std::move(clips), subject,
                                       resolve<tasks::ExtractOptions>(p, "extract", o));
}
Command command_extract(project::Project& p, const json& a) {
  Command c{{"extract", p.folder().string()}};
  for (const auto& clip : clips_of(p, a)) c.words.push_back(clip.string());
  c.add("--subject", text_of(a, "subject"));
  return c;
}

Work make_train(project::Project& p, const json& a, const json& o) {
  const std::string model = text_of(a, "model"), identity = text_of(a, "identity"),
                    performer = text_of(a, "performer");
  p.subject(identity);
  p.subject(performer);
  return task_work<tasks::TrainTask>(
      p, "Train " + model + ": " + identity + "'s face, " + performer + "'s performance", model,
      identity, performer, resolve<tasks::TrainTaskOptions>(p, "train", o));
}
Command command_train(project::Project& p, const json& a) {
  Command c{{"train", p.folder().string()}};
  for (const char* name : {"model", "identity", "performer"})
    c.add(std::string("--") + name, text_of(a, name));
  return c;
}

std::map<std::string, std::string> map_of(const json& a) {
  std::map<std::string, std::string> map;
  const json given = a.value("map", json::object());
  if (!given.is_null() && !given.is_object())
    throw Error(ErrorCode::kUsage, "argument map must be an object", "{subject or track: model}");
  for (const auto& [who, model] : given.items()) {
    if (!model.is_string())
      throw Error(ErrorCode::kUsage, "argument map must name models", "{subject or track: model}");
    map[who] = model;
  }
  return map;
}
/// outputs/NAME with a container's extension; the proposed name when none was given.
fs::path output_path(const project::Project& p, const json& a, const json& o,
                     const std::string& proposed) {
  std::string name = text_of(a, "name", false);
  if (name.empty()) name = proposed;
  name = tasks::safe_file_name(name);
  const json codec = o.is_object() ? o.value("codec", json("h264")) : json("h264");
  const bool folder = codec == "png" || codec == "tiff";
  const bool needs_mov = codec == "prores", needs_mkv = codec == "ffv1";
  if (!folder && fs::path(name).extension().empty())
    name += needs_mov ? ".mov" : needs_mkv ? ".mkv" : ".mp4";
  return p.outputs_folder() / name;
}
fs::path swap_output(const project::Project& p, const json& a, const json& o) {
  const std::string model = text_of(a, "model", false);
  return output_path(p, a, o,
                     clip_of(p, a).stem().string() + "-" + (model.empty() ? "swap" : model));
}

std::vector<tasks::SwapRange> ranges_of(const json& a) {
  std::vector<tasks::SwapRange> out;
  const json given = a.value("ranges", json::array());
  for (const json& r : given.is_array() ? given : json::array()) {
    if (!r.is_object() || !r.value("first", json()).is_number_integer() ||
        !r.value("last", json()).is_number_integer())
      throw Error(ErrorCode::kUsage, "argument ranges is not understood",
                  "a list of {first, last, options}; frames count from 0, last is inclusive");
    out.push_back({r["first"], r["last"], r.value("options", json::object())});
  }
  return out;
}

/// {first, last}: both or neither.
std::optional<std::pair<FrameIndex, FrameIndex>> part_of(const json& a) {
  const json first = a.value("first", json()), last = a.value("last", json());
  if (first.is_null() && last.is_null()) return std::nullopt;
  if (!first.is_number_integer() || !last.is_number_integer())
    throw Error(ErrorCode::kUsage, "argument first needs last, and both are frames",
                "give both, or neither for the whole clip");
  return std::pair<FrameIndex, FrameIndex>{first, last};
}

Work make_swap(project::Project& p, const json& a, const json& o) {
  const fs::path clip = clip_of(p, a), out = swap_output(p, a, o);
  auto task = std::make_shared<tasks::SwapTask>(p, clip, out, text_of(a, "model", false), map_of(a),
                                                resolve<tasks::SwapTaskOptions>(p, "swap", o));
  task->set_ranges(ranges_of(a));
  task->set_polygons(tasks::parse_polygons(a.value("polygons", json())));
  if (const auto part = part_of(a)) task->set_part(part->first, part->second);
  return work_of(p, "Swap " + clip.filename().string() + " to " + out.filename().string(), task);
}
/// A shell takes words of up to 128 KB: more than is drawn usually, less than can be.
std::string polygons_word(const project::Project& p, const std::vector<swap::Polygon>& polygons) {
  constexpr size_t kMostWord = 32 << 10;
  const std::string text = tasks::polygons_json(polygons).dump();
  if (text.size() <= kMostWord) return text;
  const fs::path file = p.folder() / "work" / "drawn" / (sha256(text).substr(0, 12) + ".json");
  std::error_code ec;
  fs::create_directories(file.parent_path(), ec);
  write_file_atomic(file, text + "\n");
  return file.string();
}
Command command_swap(project::Project& p, const json& a) {
  Command c{{"swap", p.folder().string(), clip_of(p, a).string()}};
  if (const auto model = text_of(a, "model", false); !model.empty()) c.add("--model", model);
  for (const auto& [who, model] : map_of(a)) c.add("--map", who + "=" + model);
  for (const auto& range : ranges_of(a)) c.add("--range", tasks::swap_range_text(range));
  if (const auto part = part_of(a))
    c.add("--frames", std::to_string(part->first) + "-" + std::to_string(part->second));
  if (const auto polygons = tasks::parse_polygons(a.value("polygons", json())); !polygons.empty())
    c.add("--polygons", polygons_word(p, polygons));
  c.add("--out", swap_output(p, a, json()).string());
  return c;
}

Work make_evaluate(project::Project& p, const json& a, const json& o) {
  const auto output = tasks::output_row(p, text_of(a, "output"));
  const fs::path html = p.outputs_folder() / (output.path.stem().string() + "-report.html");
  tasks::EvaluateFiles files;
  files.html = html;
  return task_work<tasks::EvaluateTask>(p, "Evaluate " + output.name,
                                        evaluate::Inputs{output.path, clip_of(p, a), {}, {}},
                                        text_of(a, "identity"), text_of(a, "performer"), files,
                                        resolve<tasks::EvaluateTaskOptions>(p, "evaluate", o));
}
Command command_evaluate(project::Project& p, const json& a) {
  Command c{{"evaluate", p.folder().string(), tasks::output_row(p, text_of(a, "output")).path}};
  c.add("--target", clip_of(p, a).string());
  c.add("--identity", text_of(a, "identity"));
  c.add("--performer", text_of(a, "performer"));
  return c;
}

fs::path evidence_path(const project::Project& p, const json& a) {
  return uploaded_path(p, text_of(a, "evidence", false), "evidence", "evidence");
}

Work make_consent(project::Project& p, const json& a, const json&) {
  const std::string subject = text_of(a, "subject");
  p.subject(subject);
  const fs::path evidence = evidence_path(p, a);
  tasks::RecordOptions options;
  options.request = text_of(a, "request", false);
  options.reviewer = text_of(a, "reviewer", false);
  options.words_confirmed = a.value("words_confirmed", false);
  options.words_reason = text_of(a, "words_reason", false);
  Work work{.title = "Check the consent of " + subject, .light = true};
  work.run = [&p, subject, evidence, options](Progress& progress, const Cancel& cancel) {
    return tasks::consent_record(p, subject, evidence, options, progress, cancel);
  };
  if (!evidence.empty()) remove_after(work, {evidence});  // a sealed copy is in the record
  return work;
}
Command command_consent(project::Project& p, const json& a) {
  Command c{{"consent", "record", p.folder().string(), text_of(a, "subject")}};
  if (const auto file = evidence_path(p, a); !file.empty()) c.words.push_back(file.filename());
  if (const auto who = text_of(a, "reviewer", false); !who.empty()) c.add("--reviewer", who);
  if (a.value("words_confirmed", false)) c.words.push_back("--words-confirmed");
  if (const auto why = text_of(a, "words_reason", false); !why.empty())
    c.add("--words-reason", why);
  return c;
}

std::vector<Kind> with_other_kinds(std::vector<Kind> all) {
  for (Kind& kind : voice_kinds()) all.push_back(std::move(kind));
  for (Kind& kind : tool_kinds()) all.push_back(std::move(kind));
  return all;
}

const std::vector<Kind>& kinds() {
  static const json clips = {{"type", "array"},
                             {"kind", "media"},
                             {"items", {{"type", "integer"}}},
                             {"minItems", 1},
                             {"description", "clips to look at"}};
  static const json clip = argument("integer", "media", "footage of the performer");
  static const std::vector<Kind> all = with_other_kinds({
      {"analyse", "find faces and tracks, whoever they are",
       arguments_schema({{"media", clips}}, {"media"}), schema_of<tasks::AnalyseTaskOptions>(),
       make_analyse, command_analyse},
      {"extract", "collect a person's faces",
       arguments_schema(
           {{"media", clips}, {"subject", argument("string", "subject", "whose faces")}},
           {"media", "subject"}),
       schema_of<tasks::ExtractOptions>(), make_extract, command_extract},
      {"train", "teach a model one person's face from another's performance",
       arguments_schema({{"model", argument("string", "model-name", "an existing one goes on")},
                         {"identity", argument("string", "subject", "whose likeness is made")},
                         {"performer", argument("string", "subject", "who acts")},
                         {"restart", argument("boolean", "flag",
                                              "begin anew; what was there goes to the trash")}},
                        {"model", "identity", "performer"}),
       schema_of<tasks::TrainTaskOptions>(), make_train, command_train},
      {"swap", "lay a model's face over a performance",
       arguments_schema(
           {{"media", clip},
            {"model", argument("string", "model", "laid over its performer")},
            {"map", argument("object", "map", "subject or track -> model, for several faces")},
            {"ranges",
             argument("array", "ranges", "{first, last, options}: other settings for some frames")},
            {"polygons", argument("array", "polygons",
                                  "{first, last, kind, on, track, points}: drawn over the mask")},
            {"first", argument("integer", "frame", "of the part to render; with last")},
            {"last", argument("integer", "frame", "of the part, included")},
            {"name", argument("string", "file-name", "of the file in outputs")}},
           {"media"}),
       schema_of<tasks::SwapTaskOptions>(), make_swap, command_swap},
      {"evaluate", "score a swapped clip",
       arguments_schema({{"output", argument("string", "output", "the swapped clip")},
                         {"media", argument("integer", "media", "what it was made from")},
                         {"identity", argument("string", "subject", "whose likeness was made")},
                         {"performer", argument("string", "subject", "who acts")}},
                        {"output", "media", "identity", "performer"}),
       schema_of<tasks::EvaluateTaskOptions>(), make_evaluate, command_evaluate},
      {"consent-record", "check the evidence of a consent and sign the record",
       arguments_schema(
           {{"subject", argument("string", "subject", "who agreed")},
            {"evidence", argument("string", "internal", "the uploaded file")},
            {"request", argument("string", "request", "its id; the newest when left out")},
            {"reviewer", argument("string", "text", "who listened to it or read it")},
            {"words_confirmed", argument("boolean", "flag", "exactly the words were heard")},
            {"words_reason",
             argument("string", "text", "why the recogniser does not understand this person")}},
           {"subject"}),
       json{{"type", "object"}, {"properties", json::object()}, {"additionalProperties", false}},
       make_consent, command_consent, true},
  });
  return all;
}

const Kind& kind_of(const std::string& task) {
  std::string names;
  for (const Kind& k : kinds()) {
    if (k.name == task) return k;
    names += (names.empty() ? "" : ", ") + k.name;
  }
  throw Error(ErrorCode::kUsage, "no task is called '" + task + "'", "one of: " + names);
}

void check_arguments(const Kind& kind, const json& arguments) {
  if (!arguments.is_object())
    throw Error(ErrorCode::kUsage, "the arguments are not an object", "see /v1/tasks");
  for (const auto& [name, value] : arguments.items())
    if (!kind.arguments["properties"].contains(name))
      throw Error(ErrorCode::kUsage, "argument " + name + " is not known to " + kind.name,
                  "see /v1/tasks");
  for (const auto& name : kind.arguments["required"])
    if (!arguments.contains(name.get<std::string>()))
      throw Error(ErrorCode::kUsage, "argument " + name.get<std::string>() + " is missing",
                  "choose one");
}

std::string number_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

json task_catalogue() {
  json out = json::object();
  for (const Kind& kind : kinds()) {
    json presets = json::object();
    for (const auto& p : tasks::embedded_presets()) {
      const json whole = tasks::load_preset(p.name);
      if (whole.contains(kind.name)) presets[p.name] = whole[kind.name];
    }
    out[kind.name] = {{"summary", kind.summary},
                      {"schema", kind.schema},
                      {"arguments", kind.arguments},
                      {"presets", presets},
                      {"light", kind.light}};
  }
  // Not jobs: the forms of a request for consent and of a live stream are made from them.
  json consent = schema_of<trust::ConsentTerms>();
  consent["properties"]["phrase_minutes"] = {{"type", "integer"},
                                             {"description", "how long the words are good"},
                                             {"default", tasks::kDefaultPhraseMinutes},
                                             {"minimum", 1},
                                             {"maximum", tasks::kMaxPhraseMinutes},
                                             {"unit", "min"},
                                             {"level", "advanced"}};
  out["consent"] = {{"summary", "the terms of a consent"}, {"schema", consent}};
  out["voice-stream"] = {{"summary", "speak in an enrolled voice while you speak"},
                         {"schema", schema_of<tasks::VoiceStreamOptions>()}};
  return out;
}

Work make_work(project::Project& project, const std::string& task, const json& arguments,
               const json& options) {
  const Kind& kind = kind_of(task);
  const json given = arguments.is_null() ? json::object() : arguments;
  check_arguments(kind, given);
  Work work = kind.make(project, given, options.is_null() ? json::object() : options);
  work.light = kind.light;
  return work;
}

std::string shell_quoted(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) ||
           std::string_view("_-./=+:,@%").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return word;
  std::string out = "'";
  for (char c : word) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::string command_line(project::Project& project, const std::string& task, const json& arguments,
                         const json& options) {
  const Kind& kind = kind_of(task);
  const json given = arguments.is_null() ? json::object() : arguments;
  check_arguments(kind, given);
  Command c = kind.command(project, given);
  const json& properties = kind.schema.at("properties");
  const json values = options.is_null() ? json::object() : options;
  for (const auto& [name, value] : values.items()) {
    if (!properties.contains(name))
      throw Error(ErrorCode::kUsage, "option " + name + " is not known to " + task,
                  "see /v1/tasks");
    if (value == properties[name].value("default", json())) continue;
    std::string flag = name;
    std::replace(flag.begin(), flag.end(), '_', '-');
    if (value.is_boolean())
      c.words.push_back((value.get<bool>() ? "--" : "--no-") + flag);
    else if (value.is_array())
      for (const auto& v : value) c.add("--" + flag, number_text(v));
    else
      c.add("--" + flag, number_text(value));
  }
  std::string out = "likeness";
  for (const auto& w : c.words) out += " " + shell_quoted(w);
  return out;
}

}  // namespace likeness::jobs
