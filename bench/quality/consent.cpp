// SPDX-License-Identifier: Apache-2.0
// Where the limits of the consent checks come from (docs/guide/consent.md).
//   bench_consent content FILE_OR_FOLDER...   content gate on footage that is known to be clean
//   bench_consent faces NAME=FILE[,FILE...]... distances within and between people
//   bench_consent sync NAME=FILE[,FILE...]...  lips against their own and everybody else's sound
//   bench_consent words LIST FOLDER [COUNT]     the words of a phrase in natural recordings: LIST
//   has
//                                               lines ID|TEXT, FOLDER the files ID.flac
// One JSON object on stdout.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "likeness/base/error.h"
#include "likeness/face/video_analysis.h"
#include "likeness/media/audio_samples.h"
#include "likeness/tasks/consent_evidence.h"
#include "likeness/tasks/consent_words.h"
#include "likeness/tasks/recogniser.h"
#include "likeness/trust/content_gate.h"

namespace {
namespace fs = std::filesystem;
using namespace likeness;
using nlohmann::json;

Progress progress;
Cancel cancel;

json content(const std::vector<std::string>& args) {
  const trust::ContentNet net(face::models_folder());
  json out = {{"files", 0}, {"frames", 0}, {"refused", json::array()}, {"worst", json::array()}};
  std::vector<std::pair<double, std::string>> worst;
  for (const auto& a : args) {
    std::vector<fs::path> files = {a};
    if (fs::is_directory(a)) files = media::list_media(a);
    for (const auto& f : files) {
      try {
        const auto v = trust::check_content(f, net, progress, cancel);
        out["files"] = out["files"].get<int>() + 1;
        out["frames"] = out["frames"].get<int64_t>() + v.sampled;
        if (v.refused) out["refused"].push_back(f.string());
        worst.emplace_back(v.worst, f.filename().string());
      } catch (const Error& e) {
        std::fprintf(stderr, "%s: %s\n", f.c_str(), e.what());
      }
    }
  }
  std::sort(worst.rbegin(), worst.rend());
  for (size_t i = 0; i < std::min<size_t>(5, worst.size()); ++i)
    out["worst"].push_back({worst[i].second, worst[i].first});
  return out;
}

std::map<std::string, std::vector<fs::path>> people(const std::vector<std::string>& args) {
  std::map<std::string, std::vector<fs::path>> out;
  for (const auto& a : args) {
    const size_t eq = a.find('=');
    std::istringstream files(a.substr(eq + 1));
    for (std::string f; std::getline(files, f, ',');) out[a.substr(0, eq)].push_back(f);
  }
  return out;
}

/// A number of embeddings averaged: what an evidence video, or a faceset, gives.
face::Embedding mean(const std::vector<face::Embedding>& all, size_t from, size_t to) {
  face::Embedding m{};
  for (size_t i = from; i < to; ++i)
    for (size_t k = 0; k < m.size(); ++k) m[k] += all[i][k] / static_cast<float>(to - from);
  return m;
}

json quantiles(std::vector<double> v) {
  if (v.empty()) return nullptr;
  std::sort(v.begin(), v.end());
  auto at = [&](double q) { return v[static_cast<size_t>(q * static_cast<double>(v.size() - 1))]; };
  return {{"pairs", v.size()}, {"min", v.front()}, {"p1", at(0.01)},
          {"median", at(0.5)}, {"p99", at(0.99)},  {"max", v.back()}};
}

json faces(const std::vector<std::string>& args) {
  const face::FaceNets nets;
  face::AnalysisOptions options;
  options.embed_every = 6;
  std::map<std::string, std::vector<face::Embedding>> found;
  for (const auto& [name, files] : people(args))
    for (const auto& f : files) {
      const auto clip =
          media::is_image_path(f)
              ? face::analyse_photos({f}, nets, options, progress, cancel)
              : face::analyse_clip(f, nets, options, progress, cancel, {}, {.count = 250});
      for (const auto& x : clip.faces)
        if (x.has_embedding) found[name].push_back(x.embedding);
    }
  // Evidence = the frames of one half (by time), faceset = the mean of the other.
  std::vector<double> same, other;
  for (const auto& [a, of_a] : found) {
    const size_t half = of_a.size() / 2;
    if (half >= 1) {
      const auto set = mean(of_a, 0, half);
      double sum = 0;
      for (size_t i = half; i < of_a.size(); ++i) sum += face::embedding_distance(of_a[i], set);
      same.push_back(sum / static_cast<double>(of_a.size() - half));
    }
    for (const auto& [b, of_b] : found) {
      if (a == b) continue;
      const auto set = mean(of_b, 0, of_b.size());
      double sum = 0;
      for (const auto& e : of_a) sum += face::embedding_distance(e, set);
      other.push_back(sum / static_cast<double>(of_a.size()));
    }
  }
  return {{"people", found.size()},
          {"same", quantiles(same)},
          {"other", quantiles(other)},
          {"limit", tasks::kMaxFaceDistance}};
}

json sync(const std::vector<std::string>& args) {
  struct Piece {
    std::string who;
    double rate;
    std::vector<float> mouth, loudness;
  };
  constexpr double kPieceS = 8;
  std::vector<Piece> pieces;
  for (const auto& [name, files] : people(args)) {
    Piece p{name, 0, {}, {}};
    for (const auto& f : files) {
      const auto s = tasks::mouth_and_sound(f, progress, cancel);
      p.rate = s.frame_rate;
      for (size_t i = 0; i < s.mouth.size(); ++i) {
        p.mouth.push_back(s.mouth[i]);
        p.loudness.push_back(s.loudness[i]);
        if (static_cast<double>(p.mouth.size()) >= kPieceS * p.rate) {
          pieces.push_back(p);
          p.mouth.clear();
          p.loudness.clear();
        }
      }
    }
  }
  std::vector<double> own, other, lag;
  for (size_t i = 0; i < pieces.size(); ++i)
    for (size_t k = 0; k < pieces.size(); ++k) {
      if (pieces[i].rate != pieces[k].rate) continue;
      const auto r = tasks::lip_sync(pieces[i].mouth, pieces[k].loudness, pieces[i].rate);
      // A lag beyond the limit is no match either.
      const double c = std::fabs(r.lag_s) > tasks::kMaxLagS ? 0 : r.score();
      (i == k ? own : other).push_back(c);
      if (i == k) lag.push_back(r.lag_s * 1000);
    }
  auto share = [](const std::vector<double>& v, double limit) {
    return v.empty() ? 0.0
                     : static_cast<double>(std::count_if(v.begin(), v.end(),
                                                         [&](double x) { return x >= limit; })) /
                           static_cast<double>(v.size());
  };
  json table = json::array();
  for (double limit = 0.4; limit < 1.25; limit += 0.1)
    table.push_back({{"limit", limit}, {"own", share(own, limit)}, {"other", share(other, limit)}});
  return {{"pieces", pieces.size()},
          {"own", quantiles(own)},
          {"other", quantiles(other)},
          {"lag_ms", quantiles(lag)},
          {"pass", table}};
}

/// Six longer words of a sentence stand for the phrase. The recogniser may hear the sentence's
/// words, the 256 of our list and 40 of other sentences.
json words(const std::vector<std::string>& args) {
  if (args.size() < 2) return {};
  struct Sentence {
    fs::path file;
    std::string text, phrase;
  };
  std::vector<Sentence> all;
  std::ifstream lines(args[0]);
  for (std::string line; std::getline(lines, line);) {
    const size_t bar = line.find('|');
    if (bar == std::string::npos) continue;
    Sentence s{fs::path(args[1]) / (line.substr(0, bar) + ".flac"), line.substr(bar + 1), ""};
    std::set<std::string> chosen;
    for (const auto& w : tasks::words_of(s.text))
      if (w.size() >= 5 && chosen.size() < 6 && chosen.insert(w).second)
        s.phrase += (s.phrase.empty() ? "" : " ") + w;
    if (chosen.size() == 6 && fs::exists(s.file)) all.push_back(std::move(s));
  }
  const size_t count = args.size() > 2 ? std::stoul(args[2]) : 40;
  const size_t step = std::max<size_t>(1, all.size() / std::max<size_t>(1, count));
  std::map<std::string, int> own, other;
  int listened = 0;
  for (size_t i = 0; i < all.size() && listened < static_cast<int>(count); i += step) {
    std::string script = all[i].text;
    for (size_t k = 1; k <= 7; ++k) script += " " + all[(i + k * 37) % all.size()].phrase;
    const std::string wrong = all[(i + 37) % all.size()].phrase;
    const auto heard = tasks::hear_phrase(all[i].file, all[i].phrase, script);
    if (!heard.listened) throw Error(ErrorCode::kMissing, heard.why, "install the recogniser");
    ++listened;
    ++own[std::to_string(heard.right)];
    ++other[std::to_string(tasks::hear_phrase(all[i].file, wrong, script).right)];
  }
  return {{"sentences", listened},
          {"limit", tasks::kLeastRightWords},
          {"own_words_right", own},
          {"other_words_right", other}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const std::vector<std::string> args(argv + std::min(argc, 2), argv + argc);
  try {
    const json out = what == "content" ? content(args)
                     : what == "faces" ? faces(args)
                     : what == "sync"  ? sync(args)
                     : what == "words" ? words(args)
                                       : json();
    if (out.is_null() || args.empty()) {
      std::fprintf(stderr,
                   "usage: bench_consent content|faces|sync|words FILES (see the source)\n");
      return 2;
    }
    std::printf("%s\n", out.dump(1).c_str());
    return 0;
  } catch (const Error& e) {
    std::fprintf(stderr, "error: %s\nhint: %s\n", e.what(), e.hint().c_str());
    return exit_status(e.code());
  }
}
