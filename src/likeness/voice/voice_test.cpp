// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/voice.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "likeness/audio/activity.h"
#include "likeness/audio/pitch.h"
#include "likeness/base/atomic_file.h"
#include "likeness/base/error.h"
#include "likeness/base/rng.h"
#include "likeness/tensor/onnx.h"
#include "likeness/voice/child_process.h"
#include "likeness/voice/piper.h"

// ONNX Runtime keeps a little of its own when a model is refused.
extern "C" const char* __lsan_default_suppressions() { return "leak:libonnxruntime"; }

namespace likeness::voice {
namespace {
namespace fs = std::filesystem;

Sentence sentence(const std::string& text, const Lexicon* lexicon = nullptr) {
  TextOptions o;
  o.lexicon = lexicon;
  return read_script(text, o).sentences.at(0);
}

/// What holds for every voice and sentence: times are in order, inside the clip, of the words that
/// were given.
void check_speech(const Speech& s, const Sentence& text) {
  ASSERT_EQ(s.words.size(), text.words.size());
  double last = 0;
  for (size_t i = 0; i < s.words.size(); ++i) {
    const SpokenWord& w = s.words[i];
    EXPECT_EQ(w.text, text.words[i].text);
    EXPECT_GE(w.begin_s, last - 1e-6) << w.text;
    EXPECT_GE(w.end_s, w.begin_s);
    EXPECT_FALSE(w.phones.empty()) << w.text;
    for (size_t k = 1; k < w.phones.size(); ++k)
      EXPECT_NEAR(w.phones[k].begin_s, w.phones[k - 1].end_s, 0.012) << w.text;
    last = w.end_s;
  }
  EXPECT_LE(last, s.clip.duration_s() + 1e-6);
  double energy = 0;
  for (const float v : s.clip.samples) {
    ASSERT_TRUE(std::isfinite(v));
    ASSERT_LE(std::abs(v), 1.5f);
    energy += static_cast<double>(v) * v;
  }
  EXPECT_GT(std::sqrt(energy / static_cast<double>(s.clip.samples.size())), 0.005);
}
/// Energy inside the words' times against that outside: times that fit the sound have all of it.
double inside_share(const Speech& s) {
  double inside = 0, all = 0;
  for (size_t i = 0; i < s.clip.samples.size(); ++i) {
    const double t = static_cast<double>(i) / s.clip.rate_hz;
    const double e = static_cast<double>(s.clip.samples[i]) * s.clip.samples[i];
    all += e;
    for (const auto& w : s.words)
      if (t >= w.begin_s && t < w.end_s) {
        inside += e;
        break;
      }
  }
  return inside / all;
}

TEST(Flite, EveryVoiceSpeaksWithExactTimes) {
  const Sentence text = sentence("Kathleen said: it's 25 pounds, isn't it?");
  for (const char* name : {"slt", "rms", "awb", "kal"}) {
    const auto v = open_voice(name);
    EXPECT_EQ(v->info().engine, "flite");
    const Speech s = v->speak(text);
    check_speech(s, text);
    EXPECT_EQ(s.timing, "exact");
    EXPECT_GT(inside_share(s), 0.93) << name;
    EXPECT_EQ(v->speak(text).clip.samples, s.clip.samples);
  }
  EXPECT_THROW(open_voice("nobody"), Error);
}
TEST(Flite, RatePitchPausesAndVolumeDoWhatTheySay) {
  const auto v = open_voice("rms");
  const Sentence text = sentence("The birch canoe slid on the smooth planks.");
  const Speech plain = v->speak(text);
  const double f0 = audio::median_f0_hz(audio::track_pitch(plain.clip.samples, 16000));
  EXPECT_NEAR(v->speak(text, {.rate = 0.5}).clip.duration_s() / plain.clip.duration_s(), 2, 0.1);
  const Speech high = v->speak(text, {.pitch_st = 3});
  EXPECT_EQ(high.clip.samples.size(), plain.clip.samples.size());
  EXPECT_NEAR(
      12 * std::log2(audio::median_f0_hz(audio::track_pitch(high.clip.samples, 16000)) / f0), 3,
      0.4);
  const Speech paused =
      v->speak(sentence("<speak>The birch canoe <break time=\"700ms\"/> slid on the "
                        "smooth planks.</speak>"));
  EXPECT_NEAR(paused.clip.duration_s() - plain.clip.duration_s(), 0.7, 0.01);
  EXPECT_NEAR(paused.words[3].begin_s - plain.words[3].begin_s, 0.7, 0.01);
  EXPECT_NEAR(paused.words[2].end_s, plain.words[2].end_s, 0.01);
  const Speech loud =
      v->speak(sentence("<speak>The birch canoe <prosody volume=\"-20dB\">slid on the "
                        "smooth planks.</prosody></speak>"));
  const auto energy = [](const Speech& s, size_t word) {
    double e = 0;
    for (auto i = static_cast<size_t>(s.words[word].begin_s * 16000) + 400;
         i < static_cast<size_t>(s.words[word].end_s * 16000); ++i)
      e += static_cast<double>(s.clip.samples[i]) * s.clip.samples[i];
    return e;
  };
  EXPECT_NEAR(10 * std::log10(energy(plain, 6) / energy(loud, 6)), 20, 1.5);
  EXPECT_NEAR(10 * std::log10(energy(plain, 1) / energy(loud, 1)), 0, 0.5);
}
TEST(Flite, PronunciationsAreFollowed) {
  const Lexicon lexicon = Lexicon::parse("zzyzx Z AY1 Z IH0 K S\ntomato /təˈmɑːtoʊ/", "test");
  const auto v = open_voice("slt");
  const auto phones = [&](const std::string& text) {
    std::string out;
    const Speech s = v->speak(sentence(text, &lexicon));
    for (const auto& p : s.words.at(1).phones) out += p.name + " ";
    return out;
  };
  EXPECT_EQ(phones("the zzyzx road"), "z ay z ih k s ");
  EXPECT_EQ(phones("a tomato"), "t ax m aa t ow ");
  EXPECT_EQ(phones("the FBI"), "eh f ");
  EXPECT_EQ(phones("the zzyzx, again"), "z ay z ih k s ");
}
TEST(Flite, OddWordsDoNotBreakIt) {
  const auto v = open_voice("slt");
  for (const char* text : {"a", "naïve café", "mmm hmm", "o'clock", "rock 'n' roll", "1", "x y z"})
    check_speech(v->speak(sentence(text)), sentence(text));
  Rng rng(1, 0, "words");
  for (int i = 0; i < 30; ++i) {
    std::string text;
    for (int w = 0; w < 3; ++w) {
      for (uint64_t n = 1 + rng.below(9); n > 0; --n)
        text += static_cast<char>('a' + rng.below(26));
      text += " ";
    }
    const Sentence s = sentence(text);
    EXPECT_EQ(v->speak(s).words.size(), s.words.size()) << text;
  }
}

std::unique_ptr<Voice> joe(std::string& why) {
  for (const auto& v : list_voices())
    if (v.name == "joe") {
      why = v.problem;
      try {
        if (why.empty()) filter_through({"espeak-ng", "--version"}, "");
      } catch (const Error& e) {
        why = e.what();
      }
      return why.empty() ? open_voice("joe") : nullptr;
    }
  why = "the voice joe is not installed (scripts/install-voices)";
  return nullptr;
}
#define OPEN_JOE(name)        \
  std::string why;            \
  const auto name = joe(why); \
  if (!name) GTEST_SKIP() << why

TEST(Piper, SpeaksWithTheTimesOfItsOwnDurations) {
  OPEN_JOE(v);
  const Sentence text = sentence("The birch canoe slid, on the smooth planks of the old boat!");
  const Speech s = v->speak(text);
  EXPECT_EQ(s.clip.rate_hz, 22050);
  EXPECT_EQ(s.timing, "exact");
  check_speech(s, text);
  EXPECT_GT(inside_share(s), 0.93);
  EXPECT_EQ(v->speak(text).clip.samples, s.clip.samples);  // its noise is ours
  EXPECT_NE(v->speak(text, {.seed = 2}).clip.samples, s.clip.samples);
  EXPECT_NEAR(v->speak(text, {.rate = 0.7}).clip.duration_s() / s.clip.duration_s(), 1 / 0.7, 0.08);
  // Only the slow word is slower.
  const Sentence slow = sentence(
      "<speak>The birch <prosody rate=\"50%\">canoe</prosody> slid, on the "
      "smooth planks of the old boat!</speak>");
  const Speech t = v->speak(slow);
  const auto length = [](const Speech& x, size_t i) {
    return x.words[i].end_s - x.words[i].begin_s;
  };
  EXPECT_NEAR(length(t, 2) / length(s, 2), 2, 0.25);
  EXPECT_NEAR(length(t, 3) / length(s, 3), 1, 0.15);
}
TEST(Piper, WordsThatEspeakJoinsAreTakenApart) {
  std::string why;
  try {
    filter_through({"espeak-ng", "--version"}, "");
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  for (const char* text :
       {"I am in the middle of the road", "of the, to the; in a and it is what it is",
        "he is one of the two that have been there", "twenty five", "a b c"}) {
    const Sentence s = sentence(text);
    const auto ipa = espeak_ipa(s, "en-us");
    ASSERT_EQ(ipa.size(), s.words.size());
    for (size_t i = 0; i < ipa.size(); ++i) EXPECT_FALSE(ipa[i].empty()) << s.words[i].text;
  }
}
TEST(Piper, ADamagedVoiceGivesAnError) {
  OPEN_JOE(v);
  const fs::path folder = fs::temp_directory_path() / ("piper-" + std::to_string(::getpid()));
  fs::create_directories(folder / "bad");
  const fs::path model = v->info().path, copy = folder / "bad" / model.filename();
  const auto place = [&](const fs::path& from, const fs::path& to) {
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
  };
  place(model.string() + ".json", copy.string() + ".json");
  std::string bytes = read_file(model);
  bytes.resize(bytes.size() / 2);
  write_file_atomic(copy, bytes);
  const auto code = [&] {
    try {
      open_voice("bad", {folder});
      return ErrorCode::kInternal;
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty());
      return e.code();
    }
  };
  EXPECT_EQ(code(), ErrorCode::kRefused);  // no card
  bool listed = false;
  for (const auto& i : list_voices({folder}))
    if (i.name == "bad") {
      listed = true;
      EXPECT_NE(i.problem.find("licence"), std::string::npos);
    }
  EXPECT_TRUE(listed);
  place(fs::path(model).replace_extension(".toml"), fs::path(copy).replace_extension(".toml"));
  EXPECT_EQ(code(), ErrorCode::kDamaged);  // another hash
  fs::remove_all(folder);
}
TEST(Piper, ConfigurationsAreChecked) {
  const std::string good =
      R"({"audio":{"sample_rate":22050},"espeak":{"voice":"en-us"},"phoneme_id_map":)"
      R"({"_":[0],"^":[1],"$":[2]," ":[3],"a":[4]},"num_symbols":8})";
  EXPECT_EQ(PiperConfig::parse(good, "good").ids.size(), 5u);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string s = good;
    s.replace(s.find(from), from.size(), to);
    return s;
  };
  for (const std::string& bad :
       {std::string("{"), std::string("[]"), with("22050", "7"), with("22050", "\"x\""),
        with("en-us", "en; rm"), with("[4]", "[8]"), with("[4]", "[-1]"), with("[4]", "[\"a\"]"),
        with("\"_\"", "\"b\""), with("\"num_symbols\":8", "\"phoneme_type\":\"text\"")})
    EXPECT_THROW(PiperConfig::parse(bad, "bad"), Error) << bad;
  Rng rng(3, 0, "config");
  for (int i = 0; i < 2000; ++i) {
    std::string s = good;
    for (int k = 0; k < 3; ++k) s[rng.below(s.size())] = static_cast<char>(rng.below(256));
    try {
      PiperConfig::parse(s, "fuzzed");
    } catch (const Error&) {
    }
  }
}

TEST(ChildProcess, FiltersAndReportsFailure) {
  const std::string much(300000, 'x');
  EXPECT_EQ(filter_through({"cat"}, much), much);
  EXPECT_EQ(filter_through({"true"}, much), "");  // it does not read: no signal, no hang
  const auto code = [](const std::vector<std::string>& arguments, double most_s) {
    try {
      filter_through(arguments, "", most_s);
      return ErrorCode::kUsage;
    } catch (const Error& e) {
      return e.code();
    }
  };
  EXPECT_EQ(code({"no-such-program-here"}, 5), ErrorCode::kMissing);
  EXPECT_EQ(code({"false"}, 5), ErrorCode::kInternal);
  EXPECT_EQ(code({"sleep", "30"}, 0.3), ErrorCode::kInternal);
}

}  // namespace
}  // namespace likeness::voice
