// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/voice_bank.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "likeness/base/error.h"
#include "likeness/tasks/runner.h"
#include "likeness/tasks/voice_enroll.h"
#include "likeness/tasks/voice_enroll_store.h"
#include "likeness/trust/consent.h"

namespace likeness::tasks {
using nlohmann::json;

/// The text of assets/voice/bank.txt; made by CMake.
extern const char* const kEmbeddedBank;

namespace {

using Diphone = std::pair<std::string, std::string>;

struct BankTable {
  std::map<Diphone, double> often;  ///< in all sentences
  double all = 0;
  std::set<std::string> phones;
};
const BankTable& bank_table() {
  static const BankTable table = [] {
    BankTable t;
    for (const auto& s : bank_sentences())
      for (size_t i = 1; i < s.phones.size(); ++i) {
        t.often[{s.phones[i - 1], s.phones[i]}] += 1;
        t.all += 1;
        if (s.phones[i] != "pau") t.phones.insert(s.phones[i]);
      }
    return t;
  }();
  return table;
}

std::map<Diphone, int> counts_of(const std::set<std::string>& read) {
  std::map<Diphone, int> out;
  for (const auto& s : bank_sentences())
    for (size_t i = 1; read.count(s.id) && i < s.phones.size(); ++i)
      ++out[{s.phones[i - 1], s.phones[i]}];
  return out;
}

double gain_of(const BankSentence& s, std::map<Diphone, int> counts) {
  double gain = 0;
  for (size_t i = 1; i < s.phones.size(); ++i) {
    const Diphone d{s.phones[i - 1], s.phones[i]};
    const int before = counts[d]++;
    const double worth = std::log2(1 + bank_table().often.at(d));
    gain += before == 0 ? worth : before == 1 ? 0.3 * worth : 0.02 * worth;
  }
  return gain / static_cast<double>(s.phones.size());
}

std::set<std::string> sentences_in(const VoiceIndex& index) {
  std::set<std::string> out;
  for (const auto& r : index.recordings)
    if (!r.sentence.empty()) out.insert(r.sentence);
  return out;
}

}  // namespace

const std::vector<BankSentence>& bank_sentences() {
  static const std::vector<BankSentence> all = [] {
    std::vector<BankSentence> out;
    std::istringstream lines(kEmbeddedBank);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#') continue;
      const size_t a = line.find('|'), b = line.find('|', a + 1);
      LIKENESS_REQUIRE(b != std::string::npos);
      BankSentence s{line.substr(0, a), line.substr(a + 1, b - a - 1), {}};
      std::istringstream phones(line.substr(b + 1));
      for (std::string p; phones >> p;) s.phones.push_back(p);
      out.push_back(std::move(s));
    }
    return out;
  }();
  return all;
}

json BankCoverage::to_json() const {
  return {{"sentences", sentences},
          {"all_sentences", bank_sentences().size()},
          {"diphones", diphones},
          {"all_diphones", all_diphones},
          {"phones", phones},
          {"all_phones", all_phones},
          {"speech_share", speech_share}};
}

BankCoverage bank_coverage(const std::set<std::string>& read) {
  const BankTable& table = bank_table();
  BankCoverage out;
  out.all_diphones = table.often.size();
  out.all_phones = table.phones.size();
  std::set<std::string> phones;
  double covered = 0;
  const auto counts = counts_of(read);
  for (const auto& [d, n] : counts) {
    covered += table.often.at(d);
    for (const auto& p : {d.first, d.second})
      if (p != "pau") phones.insert(p);
  }
  for (const auto& s : bank_sentences()) out.sentences += read.count(s.id);
  out.diphones = counts.size();
  out.phones = phones.size();
  out.speech_share = covered / table.all;
  return out;
}

std::vector<const BankSentence*> next_sentences(const std::set<std::string>& read, size_t count) {
  std::set<std::string> done = read;
  auto counts = counts_of(read);
  std::vector<const BankSentence*> out;
  while (out.size() < count) {
    const BankSentence* best = nullptr;
    double most = -1;
    for (const auto& s : bank_sentences())
      if (!done.count(s.id))
        if (const double gain = gain_of(s, counts); gain > most) most = gain, best = &s;
    if (!best) break;
    done.insert(best->id);
    for (size_t i = 1; i < best->phones.size(); ++i)
      ++counts[{best->phones[i - 1], best->phones[i]}];
    out.push_back(best);
  }
  return out;
}

json bank_state(const project::Project& project, const std::string& subject, size_t next) {
  // Looking at what is there makes nothing; a revoked person's key is gone.
  const auto grant = trust::authorise(project, {.task = "voice bank",
                                                .operation = trust::Operation::kAnalyse,
                                                .modality = "voice",
                                                .subjects = {{subject, trust::Role::kFootage}}});
  const VoiceIndex index = read_voice_index(enrolled_folder(project, subject), subject);
  const auto read = sentences_in(index);
  json grew = json::array(), coming = json::array();
  std::set<std::string> so_far;
  for (const auto& r : index.recordings)  // as it grew, in tens of sentences
    if (!r.sentence.empty() && so_far.insert(r.sentence).second &&
        (so_far.size() % 10 == 0 || so_far.size() == read.size()))
      grew.push_back(
          {{"sentences", so_far.size()}, {"speech_share", bank_coverage(so_far).speech_share}});
  const BankCoverage now = bank_coverage(read);
  so_far = read;
  for (const BankSentence* s : next_sentences(read, next)) {
    const size_t before = bank_coverage(so_far).diphones;
    so_far.insert(s->id);
    coming.push_back(
        {{"id", s->id}, {"text", s->text}, {"adds", bank_coverage(so_far).diphones - before}});
  }
  const double speech_s = index.speech_s();
  return {{"subject", subject},
          {"sentences_read", read.size()},
          {"read", read},
          {"speech_s", speech_s},
          {"coverage", now.to_json()},
          {"coverage_grew", grew},
          {"next", coming},
          {"enough_in_s", std::max(0.0, kEnoughVoice_s - speech_s)},
          {"good_in_s", std::max(0.0, kGoodVoice_s - speech_s)}};
}

namespace {

const BankSentence& sentence_of(const std::string& subject, const std::string& id) {
  const auto& all = bank_sentences();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const BankSentence& s) { return s.id == id; });
  if (found == all.end())
    throw Error(ErrorCode::kUsage, "there is no sentence '" + id + "' in the bank",
                "name it with --sentence ID, or name the file after it (" + all.front().id +
                    ".wav); see: likeness voice bank PROJECT " + subject);
  return *found;
}

EnrollTask enrolling(const std::string& subject, const std::filesystem::path& take,
                     const BankSentence& sentence) {
  return EnrollTask(
      {.subject = subject, .recordings = {take}, .text = sentence.text, .sentence = sentence.id},
      {});
}

}  // namespace

TakeCheck bank_check(const project::Project& project, const std::string& subject,
                     const std::filesystem::path& take, const std::string& sentence,
                     bool confirmed) {
  const BankSentence& wanted = sentence_of(subject, sentence);
  const EnrollTask task = enrolling(subject, take, wanted);
  const trust::Grant grant = trust::authorise(project, task.request());
  TakeCheck out = check_take(take, wanted, confirmed);
  if (out.good) check_voice(project, grant, subject, take, out);
  return out;
}

json bank_take(project::Project& project, const std::string& subject,
               const std::filesystem::path& take, const std::string& sentence, bool confirmed,
               Progress& progress, const Cancel& cancel) {
  const BankSentence* const found = &sentence_of(subject, sentence);
  EnrollTask task = enrolling(subject, take, *found);
  // Asked before anything is looked at: who may not be enrolled is told so at once.
  trust::authorise(project, task.request());
  const TakeCheck check = check_take(take, *found, confirmed);
  json out = {{"take", take.string()},
              {"sentence", found->id},
              {"text", found->text},
              {"check", check.to_json()},
              {"enrolled", false}};
  if (check.good) {
    out["report"] = run_task(task, project, progress, cancel).report;
    out["enrolled"] = out["report"]["added"].get<size_t>() > 0;
  }
  return out;
}

}  // namespace likeness::tasks
