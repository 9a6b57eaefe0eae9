// SPDX-License-Identifier: Apache-2.0
#include "likeness/voice/text.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "likeness/base/error.h"
#include "likeness/voice/text_internal.h"

namespace likeness::voice {
namespace {

/// Letters of other scripts; signs and pictures are no letters.
bool is_foreign_letter(char32_t c) {
  return (c >= 0x370 && c < 0x1e00) || (c >= 0x1f00 && c < 0x2000) || (c >= 0x2c00 && c < 0x2e00) ||
         (c >= 0x3040 && c < 0xd800) || (c >= 0xf900 && c < 0xfb00) ||
         (c >= 0xfb1d && c < 0xfe00) || (c >= 0xfe70 && c < 0xff00) ||
         (c >= 0xff66 && c < 0xffe0) || (c >= 0x10000 && c < 0x1d000) ||
         (c >= 0x1e000 && c < 0x1f000) || (c >= 0x20000 && c < 0x40000);
}

struct Cleaned {
  std::string text;
  size_t controls = 0, pictures = 0;
};

/// The same number of bytes, so that places stay: what cannot be said becomes spaces.
Cleaned clean(const std::string& text, bool english) {
  Cleaned out;
  out.text.reserve(text.size());
  for (const char32_t c : decode_utf8(text)) {
    const std::string as = encode_utf8(c);
    const std::string blank(as.size(), ' ');
    if (c == '\n' || c == '\t') {
      out.text += static_cast<char>(c);
    } else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
               (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff) {
      if (c != '\r' && c != 0xfeff) ++out.controls;
      out.text += blank;
    } else if (c == 0xa0 || (c >= 0x2000 && c <= 0x200a) || c == 0x202f || c == 0x3000) {
      out.text += blank;
    } else if (english && is_foreign_letter(c)) {
      throw Error(ErrorCode::kUnsupported,
                  "the text holds '" + as + "', which is not written in English",
                  "use a voice of that language, or write the word in Latin letters");
    } else if ((c >= 0x2190 && c < 0x2c00 && c != 0x2212) || (c >= 0x1f000 && c < 0x20000) ||
               (c >= 0xfe00 && c < 0xfe10) || c >= 0xe0000) {
      ++out.pictures;
      out.text += blank;
    } else {
      out.text += as;
    }
  }
  return out;
}

const std::vector<std::string> kOpening = {"\"", "'", "(", "[", "{", "“",
                                           "‘",  "«", "„", "¿", "¡", "*"};
const std::vector<std::string> kTrailing = {".", ",", ";", ":", "!", "?", "\"", "'", ")",
                                            "]", "}", "”", "’", "»", "…", "*",  "—", "–"};

bool starts_with(std::string_view s, const std::string& what) {
  return s.substr(0, what.size()) == what;
}
bool ends_with(std::string_view s, const std::string& what) {
  return s.size() >= what.size() && s.substr(s.size() - what.size()) == what;
}
bool has_letter_or_digit(std::string_view s) {
  return std::any_of(s.begin(), s.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 0xc3;
  });
}

class Tokeniser {
 public:
  explicit Tokeniser(bool english) : english_(english) {}

  void add(const Span& span) {
    span_ = &span;
    const std::string& s = span.text;
    if (span.paragraph) paragraph_ = true;
    pause_s_ += span.pause_s;
    if (!span.pronunciation.empty()) {  // one word, however it is written
      Token t;
      t.core = s;
      push(std::move(t), 0, s.size());
      return;
    }
    int newlines = 0;
    for (size_t i = 0; i < s.size();) {
      if (std::isspace(static_cast<unsigned char>(s[i]))) {
        newlines += s[i] == '\n';
        if (newlines >= 2) paragraph_ = true;
        ++i;
        continue;
      }
      newlines = 0;
      size_t end = i;
      while (end < s.size() && !std::isspace(static_cast<unsigned char>(s[end]))) ++end;
      cut(i, end);
      i = end;
    }
  }
  std::vector<Token> take() { return std::move(out_); }
  double pause_left_s() const { return pause_s_; }

 private:
  /// At dashes and hyphens between letters.
  void cut(size_t begin, size_t end) {
    const std::string& s = span_->text;
    const std::string_view all = std::string_view(s).substr(begin, end - begin);
    const bool address =
        all.find("://") != std::string_view::npos || all.find('@') != std::string_view::npos;
    size_t from = begin;
    bool joined = false;
    for (size_t i = begin; i < end && !address; ++i) {
      size_t width = 0;
      bool dash = false;
      const auto rest = std::string_view(s).substr(i, end - i);
      if (starts_with(rest, "—") || starts_with(rest, "…"))
        width = 3, dash = true;
      else if (starts_with(rest, "--"))
        width = 2, dash = true;
      else if (starts_with(rest, "..."))
        width = 3, dash = true;
      else if (english_ && s[i] == '-' && i > from && i + 1 < end && !has_digit_around(s, i))
        width = 1;
      if (!width) continue;
      if (i + width >= end && starts_with(rest, "...")) break;  // the end of a sentence
      if (i > from) one(from, i, joined), joined = true;
      if (dash && !out_.empty()) out_.back().trail += "—";
      from = i + width;
      i = from - 1;
    }
    if (from < end) one(from, end, joined);
  }
  static bool has_digit_around(const std::string& s, size_t i) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    return digit(s[i - 1]) && digit(s[i + 1]);
  }

  void one(size_t begin, size_t end, bool joined) {
    std::string_view s = std::string_view(span_->text).substr(begin, end - begin);
    Token t;
    t.joined = joined;
    for (bool more = true; more;) {
      more = false;
      for (const auto& o : kOpening)
        if (starts_with(s, o) && s.size() > o.size()) {
          s.remove_prefix(o.size());
          begin += o.size();
          t.opened = more = true;
        }
    }
    const size_t core_begin = begin;
    for (bool more = true; more;) {
      more = false;
      for (const auto& e : kTrailing)
        if (ends_with(s, e)) {
          t.trail.insert(0, e);
          s.remove_suffix(e.size());
          more = true;
        }
    }
    if (s.empty() || (!has_letter_or_digit(s) &&
                      s.find_first_not_of("-.,;:!?'\"()[]{}") == std::string_view::npos)) {
      // Punctuation on its own belongs to the word before it.
      if (!out_.empty()) out_.back().trail += std::string(s == "-" ? "—" : "") + t.trail;
      return;
    }
    t.core = s;
    // "’" and other apostrophes are one.
    for (size_t at; (at = t.core.find("’")) != std::string::npos;) t.core.replace(at, 3, "'");
    push(std::move(t), core_begin, core_begin + s.size());
  }

  void push(Token t, size_t begin, size_t end) {
    t.span = span_;
    t.begin = span_->fixed ? span_->begin : span_->begin + begin;
    t.end = span_->fixed ? span_->end : span_->begin + end;
    t.paragraph = std::exchange(paragraph_, false);
    t.pause_s = std::exchange(pause_s_, 0.0);
    out_.push_back(std::move(t));
  }

  bool english_, paragraph_ = false;
  double pause_s_ = 0;
  const Span* span_ = nullptr;
  std::vector<Token> out_;
};

bool starts_lower(const std::string& s) { return !s.empty() && s[0] >= 'a' && s[0] <= 'z'; }

/// The strongest mark of what stood after a word.
std::string mark_of(const std::string& trail) {
  for (const char* m : {"?", "!", "…", ".", ";", ":", "—", "–", ","})
    if (trail.find(m) != std::string::npos) {
      const std::string mark = m;
      return mark == "…" ? "." : mark == "—" || mark == "–" ? "," : mark;
    }
  return trail.find(')') != std::string::npos ? "," : "";
}
bool ends_sentence(const std::string& mark) { return mark == "." || mark == "?" || mark == "!"; }

class Builder {
 public:
  explicit Builder(const TextOptions& options) : options_(options) {}

  void add(const std::vector<Token>& tokens, bool english) {
    for (size_t i = 0; i < tokens.size();) {
      const Token& t = tokens[i];
      if (t.paragraph) finish(true);
      if (t.opened && !now_.words.empty() && now_.words.back().mark.empty() && !t.joined)
        now_.words.back().mark = quote_opens(t) ? "" : ",";
      Spoken said;
      if (!t.span->pronunciation.empty()) {
        said.words = words_of({t.core});
        said.words[0].pronunciation = t.span->pronunciation;
      } else if (english) {
        said = say_token(tokens, i, options_);
      } else {
        Word w;
        w.text = t.core;
        said.words = {std::move(w)};
      }
      if (t.pause_s > 0) pause(t.pause_s);
      const Token& last = tokens[i + said.used - 1];
      for (Word& w : said.words) {
        w.style = t.span->style;
        w.source_begin = t.begin;
        w.source_end = last.end;
        now_.words.push_back(std::move(w));
      }
      i += said.used;
      if (said.words.empty()) continue;
      std::string mark = mark_of(last.trail);
      const bool at_end = i >= tokens.size() || tokens[i].paragraph;
      if (mark == "." && !said.ends_here && !at_end) mark = "";
      // "Stop!" he said. A name like Yahoo! does not end a sentence either.
      if (ends_sentence(mark) && !at_end && starts_lower(tokens[i].core) &&
          (english || mark != "."))
        mark = said.dotted ? "" : ",";
      now_.words.back().mark = mark;
      if (ends_sentence(mark)) finish(false);
    }
    finish(true);
  }
  void pause(double s) {
    if (!now_.words.empty())
      now_.words.back().pause_s += s;
    else if (!out_.empty())
      out_.back().words.back().pause_s += s;
  }
  std::vector<Sentence> take() { return std::move(out_); }

 private:
  static bool quote_opens(const Token& t) { return t.trail.empty(); }

  void finish(bool paragraph) {
    if (now_.words.empty()) {
      if (paragraph && !out_.empty()) out_.back().paragraph_ends = true;
      return;
    }
    if (!ends_sentence(now_.words.back().mark)) now_.words.back().mark = ".";
    while (now_.words.size() > options_.longest_words) divide();
    now_.paragraph_ends = paragraph;
    out_.push_back(std::move(now_));
    now_ = {};
  }
  /// Cuts the front off at a mark in its second half, else in the middle of nowhere.
  void divide() {
    const size_t longest = std::max<size_t>(4, options_.longest_words);
    size_t at = longest;
    for (const bool strong : {true, false}) {
      bool found = false;
      for (size_t i = longest; i >= longest / 3 && !found; --i) {
        const std::string& m = now_.words[i - 1].mark;
        if (strong ? m == ";" || m == ":" : !m.empty()) at = i, found = true;
      }
      if (found) break;
    }
    Sentence front;
    front.words.assign(now_.words.begin(), now_.words.begin() + static_cast<long>(at));
    if (front.words.back().mark.empty()) front.words.back().mark = ",";
    now_.words.erase(now_.words.begin(), now_.words.begin() + static_cast<long>(at));
    out_.push_back(std::move(front));
  }

  const TextOptions& options_;
  Sentence now_;
  std::vector<Sentence> out_;
};

/// Spans whose texts touch are one word where neither side has white space: "a<sub …>" or
/// "R&amp;D".
std::vector<Span> merged(std::vector<Span> spans) {
  std::vector<Span> out;
  for (Span& s : spans) {
    const bool alike = !out.empty() && s.pause_s == 0 && !s.paragraph &&
                       out.back().pronunciation.empty() && s.pronunciation.empty() &&
                       out.back().style == s.style && out.back().say_as == s.say_as;
    const bool glue = alike && out.back().entity && (!s.fixed || s.entity);
    const bool append = alike && s.entity && (!out.back().fixed || out.back().entity);
    if (glue || append) {
      out.back().text += s.text;
      out.back().end = s.end;
      out.back().entity = s.entity;
      // Places are kept where lengths agree; else all of it stands for the whole stretch.
      if (out.back().end - out.back().begin != out.back().text.size()) out.back().fixed = true;
      continue;
    }
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace

std::string Sentence::text() const {
  std::string out;
  for (const Word& w : words) out += (out.empty() ? "" : " ") + w.text + w.mark;
  return out;
}

Script read_script(const std::string& text, const TextOptions& options) {
  const bool english = options.language.rfind("en", 0) == 0;
  if (text.size() > 4 * kMostCharacters || decode_utf8(text).size() > kMostCharacters)
    throw Error(ErrorCode::kUsage,
                "the text has " + std::to_string(text.size()) + " bytes; at most " +
                    std::to_string(kMostCharacters) + " characters are spoken at once",
                "divide it into chapters, one file each");
  const Cleaned cleaned = clean(text, english);
  const size_t first = cleaned.text.find_first_not_of(" \t\n");
  if (first == std::string::npos)
    throw Error(ErrorCode::kUsage, "there is no text to speak", "give some words");
  std::vector<Span> spans;
  if (cleaned.text.compare(first, 6, "<speak") == 0 ||
      cleaned.text.compare(first, 5, "<?xml") == 0) {
    spans = merged(parse_ssml(cleaned.text));
  } else {
    Span whole;
    whole.text = cleaned.text;
    whole.end = cleaned.text.size();
    spans.push_back(std::move(whole));
  }
  Tokeniser tokeniser(english);
  for (const Span& s : spans) tokeniser.add(s);
  const auto tokens = tokeniser.take();
  Builder builder(options);
  builder.add(tokens, english);
  if (tokeniser.pause_left_s() > 0) builder.pause(tokeniser.pause_left_s());
  Script out;
  out.sentences = builder.take();
  if (out.sentences.empty())
    throw Error(ErrorCode::kUsage, "there is no word in the text", "give some words");
  if (cleaned.controls)
    out.warnings.push_back(std::to_string(cleaned.controls) + " control characters were left out");
  if (cleaned.pictures)
    out.warnings.push_back(std::to_string(cleaned.pictures) +
                           " symbols that cannot be said (emoji and the like) were left out");
  return out;
}

}  // namespace likeness::voice
