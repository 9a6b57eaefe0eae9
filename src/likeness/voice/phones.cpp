// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/phones.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <sstream>

#include "likeness/base/error.h"

namespace likeness::voice {
namespace {

struct Sound {
  const char *arpabet, *ipa;
  bool vowel;
};
// The first spelling of a sound is the one that is written.
constexpr std::array kSounds = {
    Sound{"AA", "ɑː", true},
    Sound{"AE", "æ", true},
    Sound{"AH", "ʌ", true},
    Sound{"AO", "ɔː", true},
    Sound{"AW", "aʊ", true},
    Sound{"AY", "aɪ", true},
    Sound{"EH", "ɛ", true},
    Sound{"ER", "ɜː", true},
    Sound{"EY", "eɪ", true},
    Sound{"IH", "ɪ", true},
    Sound{"IY", "iː", true},
    Sound{"OW", "oʊ", true},
    Sound{"OY", "ɔɪ", true},
    Sound{"UH", "ʊ", true},
    Sound{"UW", "uː", true},
    Sound{"B", "b", false},
    Sound{"CH", "tʃ", false},
    Sound{"D", "d", false},
    Sound{"DH", "ð", false},
    Sound{"F", "f", false},
    Sound{"G", "ɡ", false},
    Sound{"HH", "h", false},
    Sound{"JH", "dʒ", false},
    Sound{"K", "k", false},
    Sound{"L", "l", false},
    Sound{"M", "m", false},
    Sound{"N", "n", false},
    Sound{"NG", "ŋ", false},
    Sound{"P", "p", false},
    Sound{"R", "ɹ", false},
    Sound{"S", "s", false},
    Sound{"SH", "ʃ", false},
    Sound{"T", "t", false},
    Sound{"TH", "θ", false},
    Sound{"V", "v", false},
    Sound{"W", "w", false},
    Sound{"Y", "j", false},
    Sound{"Z", "z", false},
    Sound{"ZH", "ʒ", false},
    // Other spellings of the same sounds, for reading.
    Sound{"AA", "ɑ", true},
    Sound{"AA", "a", true},
    Sound{"AA", "ɒ", true},
    Sound{"AH", "ə", true},
    Sound{"AH", "ɐ", true},
    Sound{"AO", "ɔ", true},
    Sound{"ER", "ɝ", true},
    Sound{"ER", "ɚ", true},
    Sound{"ER", "ɜ", true},
    Sound{"EH", "e", true},
    Sound{"IH", "ᵻ", true},
    Sound{"IH", "ɨ", true},
    Sound{"IY", "i", true},
    Sound{"OW", "əʊ", true},
    Sound{"OW", "o", true},
    Sound{"UW", "u", true},
    Sound{"UW", "ʉ", true},
    Sound{"R", "r", false},
    Sound{"R", "ɾ", false},
    Sound{"G", "g", false},
    Sound{"T", "ʔ", false},
    Sound{"L", "ɫ", false},
    Sound{"HH", "x", false},
};

bool is_vowel(const std::string& name) {
  return std::any_of(kSounds.begin(), kSounds.end(),
                     [&](const Sound& s) { return s.vowel && name == s.arpabet; });
}

}  // namespace

std::u32string decode_utf8(const std::string& text) {
  std::u32string out;
  const auto bad = [] {
    throw Error(ErrorCode::kBadInput, "the text is not UTF-8", "save it as UTF-8 and try again");
  };
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t length = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : 4;
    if ((length == 4 && first >> 3 != 30) || i + length > text.size()) bad();
    char32_t c = length == 1 ? first : first & (0xff >> (length + 1));
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if (next >> 6 != 2) bad();
      c = c << 6 | (next & 0x3f);
    }
    constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
    if (c < kLeast[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) bad();
    out += c;
    i += length;
  }
  return out;
}

std::string encode_utf8(char32_t c) {
  std::string out;
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    tail(12), tail(6), tail(0);
  }
  return out;
}

std::string fold_ascii(const std::string& text) {
  static const std::map<char32_t, const char*> special = {
      {U'ß', "ss"}, {U'æ', "ae"}, {U'ø', "o"}, {U'œ', "oe"}, {U'đ', "d"}, {U'ð', "th"},
      {U'þ', "th"}, {U'ł', "l"},  {U'ı', "i"}, {U'Æ', "ae"}, {U'Ø', "o"}, {U'Œ', "oe"}};
  // U+00C0 to U+00FF and U+0100 to U+017F by the letter they are made of; '*' has none.
  static const std::string first =
      "aaaaaa*ceeeeiiii*nooooo**uuuuy**aaaaaa*ceeeeiiii*nooooo**uuuuy*y";
  static const std::string second =
      "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii**jjkkklllllllllnnnnnnnnnoooooo**"
      "rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";
  std::string out;
  for (const char32_t c : decode_utf8(text)) {
    if (c < 0x80)
      out += static_cast<char>(c);
    else if (const auto it = special.find(c); it != special.end())
      out += it->second;
    else if (c >= 0xc0 && c < 0x100 && first[c - 0xc0] != '*')
      out += first[c - 0xc0];
    else if (c >= 0x100 && c - 0x100 < second.size() && second[c - 0x100] != '*')
      out += second[c - 0x100];
  }
  return out;
}

std::optional<std::vector<std::string>> parse_arpabet(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string word; in >> word;) {
    for (char& c : word) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    std::string name = word;
    char stress = 0;
    if (name.back() >= '0' && name.back() <= '2') stress = name.back(), name.pop_back();
    if (name == "AX") name = "AH";
    const bool known = std::any_of(kSounds.begin(), kSounds.end(),
                                   [&](const Sound& s) { return name == s.arpabet; });
    if (!known || (stress && !is_vowel(name))) return std::nullopt;
    if (is_vowel(name)) name += stress ? stress : '0';
    out.push_back(std::move(name));
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::string ipa_from_arpabet(const std::vector<std::string>& phones) {
  // The stress mark stands before the consonants that open the syllable: here before the vowel's
  // own run of at most one consonant, as espeak's dictionary words mostly have it directly at the
  // vowel.
  std::string out;
  for (const std::string& p : phones) {
    const char last = p.back();
    const bool vowel = last >= '0' && last <= '2';
    const std::string name = vowel ? p.substr(0, p.size() - 1) : p;
    if (vowel && last == '1') out += "ˈ";
    if (vowel && last == '2') out += "ˌ";
    if (name == "AH" && last == '0') {
      out += "ə";
    } else if (name == "ER" && last == '0') {
      out += "ɚ";
    } else if (name == "IY" && last == '0') {
      out += "i";
    } else {
      for (const Sound& s : kSounds)
        if (name == s.arpabet) {
          out += s.ipa;
          break;
        }
    }
  }
  return out;
}

std::optional<std::vector<std::string>> arpabet_from_ipa(const std::string& ipa) {
  std::vector<std::string> out;
  char stress = '0';
  for (size_t i = 0; i < ipa.size();) {
    const auto at = [&](const char* s) { return ipa.compare(i, std::string(s).size(), s) == 0; };
    bool skipped = false;
    for (const char* mark : {"ˈ", "ˌ", "ː", "ˑ", "͡", ".", " ", "‿", "̩", "ʲ", "ʰ", "'"})
      if (at(mark)) {
        if (std::string(mark) == "ˈ") stress = '1';
        if (std::string(mark) == "ˌ") stress = '2';
        i += std::string(mark).size();
        skipped = true;
        break;
      }
    if (skipped) continue;
    const Sound* best = nullptr;
    for (const Sound& s : kSounds)
      if (at(s.ipa) && (!best || std::string(s.ipa).size() > std::string(best->ipa).size()))
        best = &s;
    if (!best) return std::nullopt;
    out.push_back(best->arpabet);
    if (best->vowel) out.back() += stress, stress = '0';
    i += std::string(best->ipa).size();
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::vector<std::string> letter_name(char letter) {
  constexpr std::array kNames = {"EY1",
                                 "B IY1",
                                 "S IY1",
                                 "D IY1",
                                 "IY1",
                                 "EH1 F",
                                 "JH IY1",
                                 "EY1 CH",
                                 "AY1",
                                 "JH EY1",
                                 "K EY1",
                                 "EH1 L",
                                 "EH1 M",
                                 "EH1 N",
                                 "OW1",
                                 "P IY1",
                                 "K Y UW1",
                                 "AA1 R",
                                 "EH1 S",
                                 "T IY1",
                                 "Y UW1",
                                 "V IY1",
                                 "D AH1 B AH0 L Y UW0",
                                 "EH1 K S",
                                 "W AY1",
                                 "Z IY1"};
  const int i = std::tolower(static_cast<unsigned char>(letter)) - 'a';
  if (i < 0 || i >= 26) return {};
  return *parse_arpabet(kNames[static_cast<size_t>(i)]);
}

}  // namespace likeness::voice
