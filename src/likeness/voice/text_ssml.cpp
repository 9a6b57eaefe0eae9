// SPDX-License-Identifier: Apache-2.0
// A reader for the part of SSML 1.1 that voices here can follow. It is a parser of foreign bytes:
// every loop advances, depth and sizes are limited.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include "likeness/base/error.h"
#include "likeness/voice/text.h"

namespace likeness::voice {
namespace {

constexpr size_t kDeepest = 32;
using Attributes = std::map<std::string, std::string>;

/// A number at the start of `text`; what follows it goes to `unit`. Nothing when there is none.
bool number_and_unit(const std::string& text, double& value, std::string& unit) {
  size_t i = 0;
  while (i < text.size() && text[i] == ' ') ++i;
  const bool plus = i < text.size() && text[i] == '+';
  const char* begin = text.data() + i + (plus ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value)) return false;
  unit.assign(end, text.data() + text.size());
  return true;
}

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  std::vector<Span> run() {
    skip_prolog();
    open_.push_back({"", {}, {}, {}});
    while (at_ < text_.size()) {
      if (text_[at_] == '<')
        tag();
      else
        characters();
    }
    if (open_.size() > 1) bad("<" + open_.back().name + "> is not closed");
    if (pause_s_ > 0) {
      Span s;
      s.begin = s.end = text_.size();
      emit(std::move(s));
    }
    return std::move(out_);
  }

 private:
  struct Element {
    std::string name;
    Style style;
    std::string say_as;
    Pronunciation pronunciation;
    std::string alias;
    bool replaced = false;  ///< its text was already given by alias or phonemes
    size_t begin = 0;
  };

  [[noreturn]] void bad(const std::string& what) const {
    const auto line =
        1 + std::count(text_.begin(),
                       text_.begin() + static_cast<long>(std::min(at_, text_.size())), '\n');
    throw Error(ErrorCode::kBadInput, "SSML, line " + std::to_string(line) + ": " + what,
                "known: speak, p, s, break, prosody, phoneme, say-as, sub, emphasis");
  }
  bool starts(const char* s) const { return text_.compare(at_, std::string(s).size(), s) == 0; }
  void skip_to(const char* end, const char* what) {
    const size_t found = text_.find(end, at_);
    if (found == std::string::npos) bad(std::string(what) + " is not closed");
    at_ = found + std::string(end).size();
  }
  void skip_prolog() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    if (starts("<?")) skip_to("?>", "the XML declaration");
  }

  void emit(Span s) {
    s.pause_s = std::exchange(pause_s_, 0.0);
    s.paragraph = std::exchange(paragraph_, false);
    out_.push_back(std::move(s));
  }

  std::string entity() {
    const size_t end = text_.find(';', at_);
    if (end == std::string::npos || end - at_ > 12) bad("& must be written as &amp;");
    const std::string name = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    const std::map<std::string, std::string> known = {
        {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}};
    if (const auto it = known.find(name); it != known.end()) return it->second;
    if (name.size() > 1 && name[0] == '#') {
      const bool hex = name[1] == 'x';
      uint32_t c = 0;
      const char *begin = name.data() + (hex ? 2 : 1), *stop = name.data() + name.size();
      const auto [p, error] = std::from_chars(begin, stop, c, hex ? 16 : 10);
      if (error == std::errc() && p == stop && c >= 0x20 && c < 0x110000 &&
          !(c >= 0xd800 && c < 0xe000))
        return encode_utf8(c);
    }
    bad("unknown entity &" + name + ";");
  }

  void characters() {
    Element& e = open_.back();
    Span s;
    s.style = e.style;
    s.say_as = e.say_as;
    s.begin = at_;
    if (text_[at_] == '&') {
      s.text = entity();
      s.fixed = s.entity = true;
      // An entity is a part of its word: joined to the text before.
      s.end = at_;
    } else {
      const size_t end = std::min(text_.find_first_of("<&", at_), text_.size());
      s.text = text_.substr(at_, end - at_);
      at_ = s.end = end;
    }
    for (const auto& o : open_)
      if (!o.alias.empty() || !o.pronunciation.empty()) {
        // The alias or the phonemes stand for all text inside; it is given at the closing tag.
        inside_ += s.text;
        return;
      }
    if (open_.size() == 1) {
      if (s.text.find_first_not_of(" \t\r\n") != std::string::npos) bad("text outside <speak>");
      return;
    }
    emit(std::move(s));
  }

  Attributes attributes() {
    Attributes out;
    for (;;) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
      if (at_ >= text_.size()) bad("a tag is not closed");
      if (text_[at_] == '>' || text_[at_] == '/') return out;
      const size_t begin = at_;
      while (at_ < text_.size() && text_[at_] != '=' && text_[at_] != '>' && text_[at_] != '/' &&
             !std::isspace(static_cast<unsigned char>(text_[at_])))
        ++at_;
      const std::string name = text_.substr(begin, at_ - begin);
      if (at_ + 1 >= text_.size() || text_[at_] != '=') bad("'" + name + "' has no value");
      const char quote = text_[++at_];
      if (quote != '"' && quote != '\'') bad("the value of '" + name + "' is not quoted");
      ++at_;
      std::string value;
      while (at_ < text_.size() && text_[at_] != quote) {
        if (text_[at_] == '&')
          value += entity();
        else
          value += text_[at_++];
        if (value.size() > 4096) bad("the value of '" + name + "' is too long");
      }
      if (at_ >= text_.size()) bad("the value of '" + name + "' is not closed");
      ++at_;
      out[name] = std::move(value);
    }
  }

  void tag() {
    if (starts("<!--")) return skip_to("-->", "a comment");
    if (starts("<!")) bad("declarations are not allowed");
    if (starts("<?")) return skip_to("?>", "an instruction");
    if (starts("</")) return close();
    const size_t begin = at_++;
    const size_t name_begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) ||
                                  text_[at_] == '-' || text_[at_] == ':'))
      ++at_;
    Element e = open_.back();
    e.name = text_.substr(name_begin, at_ - name_begin);
    e.alias.clear();
    e.pronunciation = {};
    e.begin = begin;
    const Attributes a = attributes();
    const bool empty = text_[at_] == '/';
    if (empty) ++at_;
    if (at_ >= text_.size() || text_[at_] != '>') bad("<" + e.name + " is not closed");
    ++at_;
    start(e, a, empty);
    if (empty) return;
    if (open_.size() > kDeepest) bad("tags are nested too deep");
    open_.push_back(std::move(e));
  }

  static std::string get(const Attributes& a, const std::string& key) {
    const auto it = a.find(key);
    return it == a.end() ? "" : it->second;
  }

  void start(Element& e, const Attributes& a, bool empty) {
    if (e.name == "speak") {
      if (open_.size() != 1) bad("<speak> inside another tag");
    } else if (open_.size() == 1) {
      bad("<" + e.name + "> outside <speak>");
    } else if (e.name == "p" || e.name == "s") {
      paragraph_ = true;
    } else if (e.name == "break") {
      if (!empty) bad("<break> must be <break/>");
      pause_s_ = std::min(10.0, pause_s_ + break_s(a));
    } else if (e.name == "prosody") {
      prosody(e.style, a);
    } else if (e.name == "phoneme") {
      phoneme(e, a);
    } else if (e.name == "say-as") {
      e.say_as = get(a, "interpret-as");
      const std::vector<std::string> known = {"characters", "spell-out", "cardinal",  "number",
                                              "ordinal",    "digits",    "telephone", "date",
                                              "time",       "fraction",  "verbatim"};
      if (std::find(known.begin(), known.end(), e.say_as) == known.end())
        bad("say-as cannot interpret as '" + e.say_as + "'");
    } else if (e.name == "sub") {
      e.alias = get(a, "alias");
      if (e.alias.empty()) bad("<sub> without an alias");
    } else if (e.name != "emphasis") {
      bad("unknown tag <" + e.name + ">");
    }
  }

  double break_s(const Attributes& a) const {
    const std::map<std::string, double> strengths = {{"none", 0},     {"x-weak", 0.1},
                                                     {"weak", 0.2},   {"medium", 0.4},
                                                     {"strong", 0.7}, {"x-strong", 1.0}};
    const std::string time = get(a, "time"), strength = get(a, "strength");
    if (time.empty()) {
      const auto it = strengths.find(strength.empty() ? "medium" : strength);
      if (it == strengths.end()) bad("unknown strength '" + strength + "'");
      return it->second;
    }
    double value = 0;
    std::string unit;
    if (!number_and_unit(time, value, unit) || (unit != "s" && unit != "ms") || value < 0)
      bad("'" + time + "' is not a time like 300ms or 1.5s");
    return std::min(10.0, unit == "ms" ? value / 1000 : value);
  }

  void prosody(Style& style, const Attributes& a) const {
    double value = 0;
    std::string unit;
    if (const std::string rate = get(a, "rate"); !rate.empty()) {
      const std::map<std::string, double> words = {{"x-slow", 0.6}, {"slow", 0.8},
                                                   {"medium", 1},   {"default", 1},
                                                   {"fast", 1.25},  {"x-fast", 1.6}};
      if (const auto it = words.find(rate); it != words.end())
        value = it->second;
      else if (!number_and_unit(rate, value, unit) || (unit != "%" && !unit.empty()))
        bad("'" + rate + "' is not a rate like slow or 80%");
      else if (unit == "%")  // +10% means 110 %
        value = rate.find_first_of("+-") != std::string::npos ? 1 + value / 100 : value / 100;
      style.rate *= value;
    }
    if (const std::string pitch = get(a, "pitch"); !pitch.empty()) {
      const std::map<std::string, double> words = {{"x-low", -6},  {"low", -3}, {"medium", 0},
                                                   {"default", 0}, {"high", 3}, {"x-high", 6}};
      if (const auto it = words.find(pitch); it != words.end())
        style.pitch_st += it->second;
      else if (!number_and_unit(pitch, value, unit) || (unit != "%" && unit != "st"))
        bad("'" + pitch + "' is not a pitch like high, +2st or +10%");
      else if (unit == "%" && value <= -100)
        bad("a pitch of " + pitch + " is nothing");
      else
        style.pitch_st += unit == "st" ? value : 12 * std::log2(1 + value / 100);
    }
    if (const std::string volume = get(a, "volume"); !volume.empty()) {
      const std::map<std::string, double> words = {{"silent", -40}, {"x-soft", -12}, {"soft", -6},
                                                   {"medium", 0},   {"default", 0},  {"loud", 4},
                                                   {"x-loud", 8}};
      if (const auto it = words.find(volume); it != words.end())
        style.volume_db += it->second;
      else if (!number_and_unit(volume, value, unit) || unit != "dB")
        bad("'" + volume + "' is not a volume like soft or -6dB");
      else
        style.volume_db += value;
    }
    style.rate = std::clamp(style.rate, 0.25, 4.0);
    style.pitch_st = std::clamp(style.pitch_st, -12.0, 12.0);
    style.volume_db = std::clamp(style.volume_db, -40.0, 12.0);
  }

  void phoneme(Element& e, const Attributes& a) const {
    const std::string alphabet = get(a, "alphabet"), ph = get(a, "ph");
    if (ph.empty()) bad("<phoneme> without ph");
    if (alphabet.empty() || alphabet == "ipa") {
      e.pronunciation.ipa = ph;
    } else if (alphabet == "x-arpabet" || alphabet == "x-cmu") {
      auto phones = parse_arpabet(ph);
      if (!phones) bad("'" + ph + "' is not ARPAbet");
      e.pronunciation.arpabet = std::move(*phones);
    } else {
      bad("unknown alphabet '" + alphabet + "'; ipa and x-arpabet are known");
    }
  }

  void close() {
    at_ += 2;
    const size_t end = text_.find('>', at_);
    if (end == std::string::npos) bad("a tag is not closed");
    std::string name = text_.substr(at_, end - at_);
    while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back()))) name.pop_back();
    at_ = end + 1;
    if (open_.size() < 2 || open_.back().name != name) bad("</" + name + "> closes nothing");
    const Element e = open_.back();
    open_.pop_back();
    if (name == "p" || name == "s") paragraph_ = true;
    if (e.alias.empty() && e.pronunciation.empty()) return;
    for (const auto& o : open_)
      if (!o.alias.empty() || !o.pronunciation.empty()) return;  // the outer one decides
    Span s;
    s.text = e.alias.empty() ? inside_ : e.alias;
    inside_.clear();
    s.style = e.style;
    s.pronunciation = e.pronunciation;
    s.begin = e.begin;
    s.end = at_;
    s.fixed = true;
    emit(std::move(s));
  }

  const std::string& text_;
  size_t at_ = 0;
  std::vector<Element> open_;
  std::vector<Span> out_;
  std::string inside_;
  double pause_s_ = 0;
  bool paragraph_ = false;
};

}  // namespace

std::vector<Span> parse_ssml(const std::string& text) { return Parser(text).run(); }

}  // namespace likeness::voice
