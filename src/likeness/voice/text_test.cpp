// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/text.h"

#include <gtest/gtest.h>

#include "likeness/base/error.h"
#include "likeness/base/rng.h"

namespace likeness::voice {
namespace {

std::string said(const std::string& text, const TextOptions& options = {}) {
  std::string out;
  for (const auto& s : read_script(text, options).sentences)
    out += (out.empty() ? "" : " | ") + s.text();
  return out;
}
std::string join(const std::vector<std::string>& v) {
  std::string out;
  for (const auto& w : v) out += (out.empty() ? "" : " ") + w;
  return out;
}

TEST(Text, NumbersAreSaidInWords) {
  EXPECT_EQ(join(cardinal_words("0")), "zero");
  EXPECT_EQ(join(cardinal_words("21")), "twenty one");
  EXPECT_EQ(join(cardinal_words("1000007")), "one million seven");
  EXPECT_EQ(join(cardinal_words("90017")), "ninety thousand seventeen");
  EXPECT_EQ(join(ordinal_words("12")), "twelfth");
  EXPECT_EQ(join(ordinal_words("40")), "fortieth");
  EXPECT_EQ(join(ordinal_words("101")), "one hundred first");
  EXPECT_EQ(join(year_words(1984)), "nineteen eighty four");
  EXPECT_EQ(join(year_words(1905)), "nineteen oh five");
  EXPECT_EQ(join(year_words(2004)), "two thousand four");
  EXPECT_EQ(join(year_words(1900)), "nineteen hundred");
  EXPECT_EQ(cardinal_words(std::string(500, '7')).size(), 500u);  // digit by digit
}
/// Says numbers back: whatever is written must come out as the same value.
int64_t value_of(const std::vector<std::string>& words) {
  int64_t total = 0, group = 0;
  for (const auto& w : words) {
    const std::vector<std::string> small = {
        "zero",     "one",     "two",     "three",     "four",     "five",    "six",
        "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
        "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
    const std::vector<std::string> tens = {"twenty", "thirty",  "forty",  "fifty",
                                           "sixty",  "seventy", "eighty", "ninety"};
    if (auto it = std::find(small.begin(), small.end(), w); it != small.end())
      group += it - small.begin();
    else if (auto t = std::find(tens.begin(), tens.end(), w); t != tens.end())
      group += 10 * (t - tens.begin() + 2);
    else if (w == "hundred")
      group *= 100;
    else if (w == "thousand")
      total += group * 1000, group = 0;
    else if (w == "million")
      total += group * 1000000, group = 0;
    else
      ADD_FAILURE() << w;
  }
  return total + group;
}
TEST(Text, EveryNumberComesBack) {
  Rng rng(1, 0, "numbers");
  for (int i = 0; i < 3000; ++i) {
    const auto n = static_cast<int64_t>(rng.below(i < 1000 ? 1000 : 1000000000) %
                                        (i < 2000 ? 100000 : 1000000000));
    EXPECT_EQ(value_of(cardinal_words(std::to_string(n))), n);
  }
}

struct Case {
  const char *text, *said;
};
TEST(Text, IsNormalised) {
  for (const Case& c : {
           Case{"It costs $3.50 or £20.",
                "it costs three dollars and fifty cents or twenty pounds."},
           Case{"A $2.5 million film", "a two point five million dollars film."},
           Case{"Dr. Smith met Mrs. Jones.", "doctor smith met missus jones."},
           Case{"He was born in 1984.", "he was born in nineteen eighty four."},
           Case{"On March 12, 2024 we met.", "on march twelfth, twenty twenty four we met."},
           Case{"On 2024-03-05.", "on march fifth twenty twenty four."},
           Case{"At 14:30 or 3:05 p.m. today", "at fourteen thirty or three oh five p m today."},
           Case{"The 1st and 22nd", "the first and twenty second."},
           Case{"It is 5 km away, 20% more.", "it is five kilometers away, twenty percent more."},
           Case{"It weighs 1 kg.", "it weighs one kilogram."},
           Case{"1,234,567 people",
                "one million two hundred thirty four thousand five hundred sixty seven people."},
           Case{"pi is 3.14159", "pi is three point one four one five nine."},
           Case{"Henry VIII and World War II", "henry the eighth and world war two."},
           Case{"Chapter IV", "chapter four."},
           Case{"I said: I am well.", "i said: i am well."},
           Case{"The FBI and NASA", "the f b i and nasa."},
           Case{"Play the MP3", "play the m p three."},
           Case{"Mail ada@example.com now", "mail ada at example dot com now."},
           Case{"1/2 and 3/4", "one half and three quarters."},
           Case{"10-20 people", "ten to twenty people."},
           Case{"Call 555-123-4567.", "call five five five one two three four five six seven."},
           Case{"the 1990s", "the nineteen nineties."},
           Case{"Agent 007", "agent zero zero seven."},
           Case{"-5 degrees", "minus five degrees."},
           Case{"R & D", "r and d."},
           Case{"a well-known man", "a well known man."},
           Case{"It’s John's book", "it's john's book."},
           Case{"e.g. this", "for example this."},
           Case{"He lives on Main St. It is quiet.", "he lives on main street. | it is quiet."},
           Case{"St. John sleeps.", "saint john sleeps."},
       })
    EXPECT_EQ(said(c.text), c.said);
}
TEST(Text, SentencesAreSplitWherePeopleWould) {
  for (const Case& c : {
           Case{"One. Two! Three?", "one. | two! | three?"},
           Case{"\"Stop!\" he said. Then he left.", "stop, he said. | then he left."},
           Case{"J. R. Smith came. He sat.", "j r smith came. | he sat."},
           Case{"Wait... what?", "wait, what?"},
           Case{"No end", "no end."},
           Case{"A title\n\nA paragraph", "a title. | a paragraph."},
           Case{"one line\nand the same", "one line and the same."},
           Case{"Yes — no", "yes, no."},
           Case{"He left (at last).", "he left at last."},
           Case{"The U.S. is large.", "the u s is large."},
       })
    EXPECT_EQ(said(c.text), c.said) << c.text;
}
TEST(Text, WordsPointAtTheirSource) {
  const std::string text = "Dr. Who paid $3.50, in 1984.";
  const Script s = read_script(text);
  std::string last;
  for (const auto& w : s.sentences[0].words) {
    ASSERT_LE(w.source_end, text.size());
    const std::string from = text.substr(w.source_begin, w.source_end - w.source_begin);
    if (w.text == "doctor") {
      EXPECT_EQ(from, "Dr");
    }
    if (w.text == "fifty") {
      EXPECT_EQ(from, "$3.50");
    }
    if (w.text == "eighty") {
      EXPECT_EQ(from, "1984");
    }
  }
}
TEST(Text, LongSentencesAreDividedAndNothingIsLost) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += (i % 17 == 16 ? "word, " : "word ");
  size_t words = 0;
  for (const auto& s : read_script(text).sentences) {
    EXPECT_LE(s.words.size(), 40u);
    words += s.words.size();
  }
  EXPECT_EQ(words, 300u);
}

TEST(Text, TheLexiconDecides) {
  const Lexicon lexicon =
      Lexicon::parse("# mine\nLikeness L AY1 K N AH0 S\nSQL \"sequel\"\nada /ˈeɪdə/\n", "mine");
  EXPECT_EQ(lexicon.size(), 3u);
  TextOptions o;
  o.lexicon = &lexicon;
  const auto s = read_script("Likeness reads SQL, Ada.", o).sentences.at(0);
  EXPECT_EQ(s.text(), "likeness reads sequel, ada.");
  EXPECT_EQ(join(s.words[0].pronunciation.arpabet), "L AY1 K N AH0 S");
  EXPECT_EQ(s.words[3].pronunciation.ipa, "ˈeɪdə");
  EXPECT_TRUE(s.words[1].pronunciation.empty());
  for (const char* bad : {"word", "word L AY9", "word XX", "\xff\xfe a"})
    EXPECT_THROW(Lexicon::parse(bad, "bad"), Error) << bad;
}

TEST(Text, SsmlIsFollowed) {
  const Script s = read_script(
      "<speak>Hello <break time=\"500ms\"/> <prosody rate=\"80%\" pitch=\"+2st\">slow</prosody> "
      "<say-as interpret-as=\"characters\">ab1</say-as> <sub alias=\"World Wide Web\">WWW</sub> "
      "<phoneme alphabet=\"ipa\" ph=\"təˈmɑːtoʊ\">tomato</phoneme> R&amp;D<p>New.</p></speak>");
  ASSERT_EQ(s.sentences.size(), 2u);
  const auto& w = s.sentences[0].words;
  EXPECT_EQ(s.sentences[0].text(), "hello slow a b one world wide web tomato r and d.");
  EXPECT_DOUBLE_EQ(w[0].pause_s, 0.5);
  EXPECT_DOUBLE_EQ(w[1].style.rate, 0.8);
  EXPECT_DOUBLE_EQ(w[1].style.pitch_st, 2);
  EXPECT_EQ(w[2].style, Style{});
  EXPECT_EQ(w[8].pronunciation.ipa, "təˈmɑːtoʊ");
  EXPECT_EQ(s.sentences[1].text(), "new.");
  for (const char* bad :
       {"<speak>a", "<speak><voice>a</voice></speak>", "<speak>a</p></speak>",
        "<speak>a & b</speak>", "<speak><break time=\"soon\"/></speak>",
        "<speak><prosody rate=\"quick\">a</prosody></speak>", "<speak><!DOCTYPE x></speak>",
        "<speak><p a=b>x</p></speak>", "<speak>a</speak>b",
        "<speak><phoneme alphabet=\"x-arpabet\" ph=\"QQ\">a</phoneme></speak>"})
    EXPECT_THROW(read_script(bad), Error) << bad;
}

TEST(Text, BadInputGivesAnErrorOrAWarning) {
  const auto code = [](const std::string& text) {
    try {
      read_script(text);
      return ErrorCode::kInternal;
    } catch (const Error& e) {
      EXPECT_FALSE(e.hint().empty()) << text.substr(0, 40);
      return e.code();
    }
  };
  EXPECT_EQ(code(""), ErrorCode::kUsage);
  EXPECT_EQ(code(" \n\t "), ErrorCode::kUsage);
  EXPECT_EQ(code("... !!! ---"), ErrorCode::kUsage);
  EXPECT_EQ(code(std::string(1 << 20, 'a')), ErrorCode::kUsage);
  EXPECT_EQ(code("bad \xc3\x28 bytes"), ErrorCode::kBadInput);
  EXPECT_EQ(code("привет"), ErrorCode::kUnsupported);
  EXPECT_EQ(code("hello 世界"), ErrorCode::kUnsupported);
  const Script s = read_script(std::string("a\x01\x07 b \xf0\x9f\x98\x80 c") + char(0) + " d");
  EXPECT_EQ(s.sentences.at(0).text(), "a b c d.");
  EXPECT_EQ(s.warnings.size(), 2u);
}
TEST(Text, AnyBytesGiveAScriptOrAnError) {
  Rng rng(7, 0, "fuzz");
  const std::string alphabet = "aA1 .,:;-/$%'\"()<>&@#\n—é0Xx%?!";
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (uint64_t n = rng.below(40); n > 0; --n) text += alphabet[rng.below(alphabet.size())];
    try {
      for (const auto& s : read_script(i % 3 ? text : "<speak>" + text + "</speak>").sentences) {
        EXPECT_FALSE(s.words.empty());
        for (const auto& w : s.words) EXPECT_FALSE(w.text.empty()) << text;
      }
    } catch (const Error&) {
    }
  }
}

TEST(Phones, IpaAndArpabetAgree) {
  for (const char* word :
       {"hello", "church", "judge", "thing", "voice", "bird", "measure", "yellow"}) {
    const auto phones = CmuDict::get().find(word);
    if (!phones) GTEST_SKIP() << "pocketsphinx-en-us is not installed";
    const auto back = arpabet_from_ipa(ipa_from_arpabet(*phones));
    ASSERT_TRUE(back) << word;
    EXPECT_EQ(*back, *phones) << word;
  }
  EXPECT_FALSE(parse_arpabet("HH Q1"));
  EXPECT_FALSE(parse_arpabet("B1"));
  EXPECT_FALSE(arpabet_from_ipa("ǃ"));
  EXPECT_EQ(decode_utf8("aé世").size(), 3u);
  for (const char32_t c : {U'a', U'é', U'世', U'😀'})
    EXPECT_EQ(decode_utf8(encode_utf8(c)), std::u32string(1, c));
}

}  // namespace
}  // namespace likeness::voice
