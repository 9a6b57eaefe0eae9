// SPDX-License-Identifier: Apache-2.0
// voice bank, voice abx
#include <array>

#include "likeness/cli/session.h"
#include "likeness/tasks/voice_bank.h"
#include "likeness/tasks/voice_ops.h"

namespace likeness::cli {
namespace {

std::string percent(double share) { return short_text(100 * share) + " %"; }

/// 20 characters: a bar that grows.
std::string bar(double share) {
  const int full = static_cast<int>(share * 20 + 0.5);
  return std::string(static_cast<size_t>(full), '#') +
         std::string(static_cast<size_t>(20 - full), '.');
}

std::string state_text(const nlohmann::json& j) {
  const auto& c = j["coverage"];
  std::string text = table(
      {{"read", j["sentences_read"].dump() + " of " + c["all_sentences"].dump() + " sentences, " +
                    short_text(j["speech_s"].get<double>() / 60) + " min of speech"},
       {"of all speech", bar(c["speech_share"]) + " " + percent(c["speech_share"])},
       {"pairs of sounds", c["diphones"].dump() + " of " + c["all_diphones"].dump()},
       {"sounds", c["phones"].dump() + " of " + c["all_phones"].dump()}});
  const double enough = j["enough_in_s"], good = j["good_in_s"];
  if (enough > 0)
    text += short_text(enough / 60) + " min more are enough for a first voice.\n";
  else if (good > 0)
    text += "This is enough for a first voice; " + short_text(good / 60) +
            " min more make it clearly better.\n";
  if (j["next"].empty()) return text + "Every sentence has been read.\n";
  text += "\nRead next, each into a file of its own, named after it:\n";
  std::vector<std::vector<std::string>> rows = {{"id", "adds pairs", "sentence"}};
  for (const auto& n : j["next"]) rows.push_back({n["id"], n["adds"].dump(), n["text"]});
  return text + table(rows);
}

std::string take_text(const nlohmann::json& j) {
  const auto& c = j["check"];
  std::string text = j["take"].get<std::string>() + ", " + j["sentence"].get<std::string>() + ": ";
  text += !c["good"].get<bool>()      ? "not taken"
          : j["enrolled"].get<bool>() ? "taken"
                                      : "was taken before";
  text += " (words: " + c["words"].get<std::string>() + ")\n";
  for (const auto& f : c["findings"])
    text += "  " + f["rule"].get<std::string>() + ": " + f["text"].get<std::string>() + "\n";
  return text;
}

void add_bank(Session& s, CLI::App* group) {
  auto* c =
      s.command(group, "bank", "keep the voice of somebody who is losing it, sentence by sentence",
                {"likeness voice bank film ada --next 10",
                 "likeness voice bank film ada --add b012.wav --add b040.wav",
                 "likeness voice bank film ada --add take7.wav --sentence b012 --words-confirmed"});
  struct Args {
    std::string folder, subject, sentence;
    std::vector<std::string> takes;
    size_t next = 5;
    bool confirmed = false;
  };
  auto a = std::make_shared<Args>();
  c->add_option("project", a->folder, "project folder")->required();
  c->add_option("subject", a->subject, "whose voice it is")->required();
  c->add_option("--next", a->next, "how many sentences to show [default 5]")
      ->check(CLI::Range(0, 1000));
  c->add_option("--add", a->takes,
                "a take: a recording of one sentence, made with any program (there is no recording "
                "from a microphone here)");
  c->add_option("--sentence", a->sentence, "which one it is [default: the file's name]");
  c->add_flag("--words-confirmed", a->confirmed, "you have listened: the words are right");
  s.on_run(c, [&s, a] {
    if (!a->sentence.empty() && a->takes.size() != 1)
      throw Error(ErrorCode::kUsage, "--sentence is for one take",
                  "add takes one by one, or name the files after their sentences");
    auto p = project::Project::open(a->folder);
    nlohmann::json takes = nlohmann::json::array();
    std::string text;
    bool all_good = true;
    for (const auto& take : a->takes) {
      const std::string sentence =
          a->sentence.empty() ? std::filesystem::path(take).stem().string() : a->sentence;
      takes.push_back(tasks::bank_take(p, a->subject, take, sentence, a->confirmed, s.progress(),
                                       Session::cancel()));
      all_good = all_good && takes.back()["check"]["good"].get<bool>();
      text += take_text(takes.back());
    }
    nlohmann::json j = tasks::bank_state(p, a->subject, a->next);
    text += state_text(j);
    j["takes"] = std::move(takes);
    s.print(j, text);
    return all_good ? 0 : exit_status(ErrorCode::kBadInput);
  });
}

void add_abx(Session& s, CLI::App* group) {
  auto* c = s.command(group, "abx", "make a page for a blind listening test",
                      {"likeness voice abx natural clone -o test.html",
                       "likeness voice abx ours theirs --ask prefer --rounds 2 -o test.html",
                       "likeness voice abx ours theirs --reference recordings -o test.html"});
  auto a = std::make_shared<tasks::AbxRequest>();
  auto paths = std::make_shared<std::array<std::string, 4>>();
  c->add_option("a", (*paths)[0], "folder of recordings, one sentence each")->required();
  c->add_option("b", (*paths)[1], "another; the same names are the same sentences")->required();
  c->add_option("--reference", (*paths)[2],
                "recordings of the speaker: the question is which of A and B is more like them");
  c->add_option("-o,--out", (*paths)[3], "page to write, .html")->required();
  c->add_option("--ask", a->mode,
                "same: can they be told apart; prefer: which is more natural [default same]")
      ->check(CLI::IsMember({"same", "prefer"}));
  c->add_option("--rounds", a->rounds, "how often each sentence comes [default 1]");
  s.on_run(c, [&s, a, paths] {
    a->a = (*paths)[0], a->b = (*paths)[1], a->reference = (*paths)[2], a->out = (*paths)[3];
    const auto j = tasks::make_abx_page(*a, s.progress(), Session::cancel());
    s.print(j, table({{"written", j["output"]},
                      {"question", j["mode"]},
                      {"a, b", j["a"].get<std::string>() + ", " + j["b"].get<std::string>()},
                      {"trials", j["trials"].dump()}}));
    return 0;
  });
}

}  // namespace

void add_voice_bank(Session& s, CLI::App* group) { add_bank(s, group); }
void add_voice_abx(Session& s, CLI::App* group) { add_abx(s, group); }

}  // namespace likeness::cli
