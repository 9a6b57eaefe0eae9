// SPDX-License-Identifier: Apache-2.0
#include "likeness/tasks/recogniser.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <utility>

#include "likeness/audio/resample.h"
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/media/audio_file.h"
#include "likeness/voice/child_process.h"

namespace likeness::tasks {
namespace fs = std::filesystem;
namespace {

const std::string kModel = "/usr/share/pocketsphinx/model/en-us";
const std::string kDictionary = kModel + "/cmudict-en-us.dict";
constexpr const char* kProgram = "pocketsphinx_continuous";
constexpr int kRateHz = 16000;
constexpr double kMostS = 300;

/// pocketsphinx reads its language model and dictionary from files.
class Files {
 public:
  explicit Files(const Vocabulary& only) {
    std::string name = (fs::temp_directory_path() / "likeness-words-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw_errno(errno, "cannot create " + name);
    folder_ = name;
    std::map<std::string, std::vector<std::string>> said;
    for (const auto& [word, phones] : only.said) said[word] = {phones};
    std::istringstream lines(read_file(kDictionary));
    for (std::string line; std::getline(lines, line);) {  // "word PHONES", "word(2) PHONES"
      const size_t blank = line.find(' ');
      const std::string word = line.substr(0, std::min(line.find('('), blank));
      if (blank != std::string::npos && only.shares.count(word) && !only.said.count(word))
        said[word].push_back(line.substr(blank + 1));
    }
    std::string dictionary, model;
    double sum = 0;
    for (const auto& [word, share] : only.shares)
      if (said.count(word)) sum += share;
    char number[32];
    for (const auto& [word, ways] : said) {
      for (size_t i = 0; i < ways.size(); ++i)
        dictionary +=
            word + (i == 0 ? "" : "(" + std::to_string(i + 1) + ")") + " " + ways[i] + "\n";
      std::snprintf(number, sizeof number, "%.4f ",
                    std::log10(0.9 * only.shares.at(word) / sum));  // a tenth: the end
      model += number + word + "\n";
    }
    write_file_atomic(dictionary_path(), dictionary);
    write_file_atomic(model_path(), "\\data\\\nngram 1=" + std::to_string(said.size() + 2) +
                                        "\n\n\\1-grams:\n-1.0 </s>\n-99 <s>\n" + model +
                                        "\n\\end\\\n");
  }
  ~Files() {
    std::error_code ec;
    fs::remove_all(folder_, ec);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;
  fs::path dictionary_path() const { return folder_ / "words.dict"; }
  fs::path model_path() const { return folder_ / "words.lm"; }

 private:
  fs::path folder_;
};

}  // namespace

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  for (const unsigned char c : text + " ") {
    if (std::isalpha(c) || c == '\'')
      word += static_cast<char>(std::tolower(c));
    else if (!word.empty())
      out.push_back(std::exchange(word, {}));
  }
  return out;
}

size_t words_in_order(const std::vector<std::string>& wanted,
                      const std::vector<std::string>& heard) {
  std::vector<std::vector<size_t>> best(wanted.size() + 1, std::vector<size_t>(heard.size() + 1));
  for (size_t i = 1; i <= wanted.size(); ++i)
    for (size_t k = 1; k <= heard.size(); ++k)
      best[i][k] = wanted[i - 1] == heard[k - 1] ? best[i - 1][k - 1] + 1
                                                 : std::max(best[i - 1][k], best[i][k - 1]);
  return best.back().back();
}

bool recogniser_installed() {
  std::error_code ec;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');)
    if (fs::exists(fs::path(folder) / kProgram, ec)) return fs::exists(kDictionary, ec);
  return false;
}

std::string hear_words(const AudioClip& clip, const Vocabulary& only) {
  if (!recogniser_installed())
    throw Error(ErrorCode::kMissing, "no speech recogniser is installed",
                "apt install pocketsphinx pocketsphinx-en-us");
  std::vector<std::string> command = {kProgram,          "-infile", "/dev/stdin", "-hmm",
                                      kModel + "/en-us", "-logfn",  "/dev/null"};
  std::unique_ptr<Files> files;
  if (only.shares.empty()) {
    command.insert(command.end(), {"-lm", kModel + "/en-us.lm.bin", "-dict", kDictionary});
  } else {
    files = std::make_unique<Files>(only);
    command.insert(command.end(), {"-lm", files->model_path().string(), "-dict",
                                   files->dictionary_path().string()});
  }
  const auto bytes = media::pcm16_bytes(
      audio::resample(audio::to_mono(clip), kRateHz).samples);  // raw, through a pipe
  std::string heard =
      voice::filter_through(command, std::string(bytes.begin(), bytes.end()), kMostS);
  std::replace(heard.begin(), heard.end(), '\n', ' ');
  while (!heard.empty() && heard.back() == ' ') heard.pop_back();
  return heard;
}

}  // namespace likeness::tasks
