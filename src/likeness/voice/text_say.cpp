// SPDX-License-Identifier: Apache-2.0
// What a token of English text is said as.
#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <set>

#include "likeness/voice/text_internal.h"
#include "likeness/voice/text_tables.h"

namespace likeness::voice {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool all_of(std::string_view s, bool (*test)(char)) {
  return !s.empty() && std::all_of(s.begin(), s.end(), test);
}
bool starts_upper(const std::string& s) {
  return !s.empty() &&
         (is_upper(s[0]) || (static_cast<unsigned char>(s[0]) == 0xc3 && s.size() > 1));
}
void add(Strings& to, const Strings& more) { to.insert(to.end(), more.begin(), more.end()); }

Strings split_words(const std::string& s) {
  Strings out(1);
  for (const char c : s) {
    if (c == ' ')
      out.emplace_back();
    else
      out.back() += c;
  }
  return out;
}

/// A number as written: sign, digits with commas at thousands, decimals.
struct Number {
  bool negative = false;
  std::string whole, decimals;
  size_t length = 0;  ///< bytes
};
bool read_number(std::string_view s, Number& n) {
  n = {};
  size_t i = 0;
  if (i < s.size() && (s[i] == '-' || s[i] == '+')) n.negative = s[i++] == '-';
  if (s.substr(i, 3) == "−") n.negative = true, i += 3;
  const size_t begin = i;
  while (i < s.size() &&
         (is_digit(s[i]) || (s[i] == ',' && i > begin && i + 3 < s.size() + 0 &&
                             is_digit(s[i + 1]) && is_digit(s[i + 2]) && is_digit(s[i + 3]) &&
                             (i + 4 >= s.size() || !is_digit(s[i + 4]))))) {
    if (s[i] != ',') n.whole += s[i];
    ++i;
  }
  if (i + 1 < s.size() && s[i] == '.' && is_digit(s[i + 1])) {
    ++i;
    while (i < s.size() && is_digit(s[i])) n.decimals += s[i++];
    if (n.whole.empty()) n.whole = "0";
  }
  n.length = i;
  return !n.whole.empty();
}

Strings number_words(const Number& n) {
  Strings out;
  if (n.negative) out.push_back("minus");
  const bool code = n.whole.size() > 1 && n.whole[0] == '0' && n.decimals.empty();
  add(out, code ? digit_words(n.whole) : cardinal_words(n.whole));
  if (!n.decimals.empty()) {
    out.push_back("point");
    add(out, digit_words(n.decimals));
  }
  return out;
}
bool is_one(const Number& n) {
  return n.decimals.empty() && n.whole.find_first_not_of('0') == n.whole.size() - 1 &&
         n.whole.back() == '1';
}

Strings money_words(const Number& n, const Currency& c, const std::string& magnitude) {
  Strings out;
  if (n.negative) out.push_back("minus");
  if (!magnitude.empty()) {
    Number plain = n;
    plain.negative = false;
    add(out, number_words(plain));
    out.push_back(magnitude);
    out.push_back(c.many);
    return out;
  }
  const bool none = n.whole.find_first_not_of('0') == std::string::npos;
  const bool has_cents = n.decimals.size() == 2 && n.decimals != "00";
  if (!n.decimals.empty() && n.decimals.size() != 2) {
    Number plain = n;
    plain.negative = false;
    add(out, number_words(plain));
    out.push_back(c.many);
    return out;
  }
  if (!none || !has_cents) {
    add(out, cardinal_words(n.whole));
    out.push_back(is_one({false, n.whole, "", 0}) ? c.one : c.many);
  }
  if (has_cents) {
    if (!none) out.push_back("and");
    add(out, cardinal_words(n.decimals));
    out.push_back(n.decimals == "01" ? c.cent : c.cents);
  }
  return out;
}

Strings time_words(int hour, int minute, int second) {
  Strings out = cardinal_words(std::to_string(hour));
  if (minute == 0 && second < 0) {
    if (hour > 12 || hour == 0)
      out.push_back("hundred");
    else
      out.push_back("o'clock");
  } else {
    if (minute < 10) out.push_back(minute == 0 ? "hundred" : "oh");
    if (minute > 0) add(out, cardinal_words(std::to_string(minute)));
  }
  if (second >= 0) {
    out.push_back("and");
    add(out, cardinal_words(std::to_string(second)));
    out.push_back(second == 1 ? "second" : "seconds");
  }
  return out;
}

Strings date_words(int year, int month, int day) {
  Strings out = {kMonths[static_cast<size_t>(month - 1)]};
  add(out, ordinal_words(std::to_string(day)));
  if (year >= 0) add(out, year_words(year));
  return out;
}

/// Splits "a<sep>b<sep>c" into whole numbers; empty when it is not that.
std::vector<int> split_numbers(const std::string& s, char separator) {
  std::vector<int> out;
  std::string part;
  for (const char c : s + separator) {
    if (c != separator) {
      part += c;
      continue;
    }
    if (!all_digits(part) || part.size() > 4) return {};
    out.push_back(std::stoi(part));
    part.clear();
  }
  return out;
}

int roman_value(const std::string& s) {
  if (s.empty() || s.find_first_not_of("IVXL") != std::string::npos) return 0;
  const auto value = [](char c) { return c == 'I' ? 1 : c == 'V' ? 5 : c == 'X' ? 10 : 50; };
  int sum = 0;
  for (size_t i = 0; i < s.size(); ++i)
    sum += i + 1 < s.size() && value(s[i]) < value(s[i + 1]) ? -value(s[i]) : value(s[i]);
  // Only the usual way to write it: IIII and VX are no numbers.
  constexpr std::array kOnes = {"", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"};
  if (sum < 1 || sum > 49) return 0;
  const std::string tens = sum >= 40 ? "XL" : std::string(static_cast<size_t>(sum / 10), 'X');
  return s == tens + kOnes[static_cast<size_t>(sum % 10)] ? sum : 0;
}

class Sayer {
 public:
  Sayer(const std::vector<Token>& tokens, size_t i, const TextOptions& options)
      : tokens_(tokens), i_(i), t_(tokens[i]), options_(options) {}

  Spoken run() {
    if (t_.span && !t_.span->say_as.empty() && as_told()) return std::move(out_);
    if (listed() || abbreviation() || money() || clock() || date() || number() || roman() ||
        address() || symbol() || letters_and_digits())
      return std::move(out_);
    plain();
    return std::move(out_);
  }

 private:
  bool done(const Strings& words) {
    out_.words = words_of(words);
    return true;
  }
  std::string neighbour(int step) const {
    const auto at = static_cast<int64_t>(i_) + step;
    if (at < 0 || at >= static_cast<int64_t>(tokens_.size())) return "";
    return lower_ascii(tokens_[static_cast<size_t>(at)].core);
  }
  const Token* next(size_t k = 1) const {
    // What a sentence or a paragraph separates does not belong together.
    if (i_ + k >= tokens_.size() || tokens_[i_ + k].paragraph) return nullptr;
    return &tokens_[i_ + k];
  }

  bool listed() {
    const Lexicon::Entry* e = options_.lexicon ? options_.lexicon->find(t_.core) : nullptr;
    if (!e) return false;
    if (!e->instead.empty()) return done(split_words(lower_ascii(e->instead)));
    out_.words = words_of({lower_ascii(t_.core)});
    out_.words[0].pronunciation = e->pronunciation;
    return true;
  }

  bool as_told() {
    const std::string& as = t_.span->say_as;
    if (as == "characters" || as == "spell-out" || as == "verbatim") {
      out_.words.clear();
      for (const char c : t_.core)
        for (auto& w : is_alpha(c) ? letters_of(std::string(1, c))
                                   : words_of(digit_words(std::string_view(&c, 1))))
          out_.words.push_back(std::move(w));
      return !out_.words.empty();
    }
    Number n;
    if (as == "digits" || as == "telephone") {
      const Strings words = digit_words(t_.core);
      return !words.empty() && done(words);
    }
    if (as == "ordinal" && all_digits(t_.core)) return done(ordinal_words(t_.core));
    if (as == "fraction" && fraction()) return true;
    if (as == "date" && all_digits(t_.core) && t_.core.size() == 4)
      return done(year_words(std::stoi(t_.core)));
    if ((as == "cardinal" || as == "number") && read_number(t_.core, n) &&
        n.length == t_.core.size())
      return done(number_words(n));
    return false;
  }

  bool abbreviation() {
    const bool dotted = !t_.trail.empty() && t_.trail[0] == '.';
    const std::string low = lower_ascii(t_.core);
    if (low == "st" && dotted) {
      const Token* after = next();
      // "on Main St." and "St. John"; "Visit St. John" begins with a capital for another reason.
      const bool named = i_ > 1 && starts_upper(tokens_[i_ - 1].core);
      const bool saint = after && starts_upper(after->core) && t_.trail == "." && !named;
      out_.ends_here = !saint;
      out_.dotted = true;
      return done({saint ? "saint" : "street"});
    }
    if (low == "no" && dotted && next() && is_digit(next()->core[0]) && is_upper(t_.core[0])) {
      out_.ends_here = false;
      return done({"number"});
    }
    for (const Abbreviation& a : kAbbreviations)
      if (low == a.written && (dotted || low.find('.') != std::string::npos || low == "vs" ||
                               low == "dr" || low == "mr" || low == "mrs")) {
        // "Jan. 5", but "co" and "min" are words of their own without a digit or a name.
        if ((a.needs & kNumberBefore) && !all_digits(neighbour(-1))) continue;
        if ((a.needs & kNumberAfter) && !(next() && is_digit(next()->core[0]))) continue;
        if ((a.needs & kCapital) && !is_upper(t_.core[0])) continue;
        out_.ends_here = a.ends;
        out_.dotted = true;
        if (low == "a.m" || low == "p.m") {
          out_.words = letters_of(a.said);
          return true;
        }
        return done(split_words(a.said));
      }
    // Initials: "J. R. Smith", and "U.S." or "Ph.D".
    if (t_.core.size() == 1 && is_upper(t_.core[0]) && dotted && next() &&
        starts_upper(next()->core)) {
      out_.ends_here = false;
      out_.words = letters_of(t_.core);
      return true;
    }
    std::string letters;
    for (size_t k = 0; k < t_.core.size(); ++k)
      if (k % 2 == 0 ? is_alpha(t_.core[k]) : t_.core[k] == '.') {
        if (k % 2 == 0) letters += t_.core[k];
      } else {
        return false;
      }
    if (letters.size() < 2 || t_.core.find('.') == std::string::npos) return false;
    out_.words = letters_of(letters);
    out_.dotted = true;
    out_.ends_here = !next() || starts_upper(next()->core);
    return true;
  }

  bool money() {
    std::string_view s = t_.core;
    bool negative = false;
    if (!s.empty() && s[0] == '-') negative = true, s.remove_prefix(1);
    for (const Currency& c : kCurrencies) {
      const std::string_view sign = c.sign;
      if (s.substr(0, sign.size()) != sign) continue;
      Number n;
      if (!read_number(s.substr(sign.size()), n)) return false;
      n.negative = n.negative || negative;
      const std::string rest = lower_ascii(s.substr(sign.size() + n.length));
      std::string magnitude;
      if (const auto it = kMagnitudes.find(rest); it != kMagnitudes.end()) {
        magnitude = it->second;
      } else if (!rest.empty()) {
        return false;
      } else if (const Token* after = next(); after && t_.trail.empty()) {
        const auto big = kMagnitudes.find(lower_ascii(after->core));
        if (big != kMagnitudes.end() && big->first.size() > 2)
          magnitude = big->second, out_.used = 2;
      }
      return done(money_words(n, c, magnitude));
    }
    return false;
  }

  bool clock() {
    std::string s = lower_ascii(t_.core), half;
    for (const char* suffix : {"am", "pm", "a.m", "p.m"}) {
      const std::string_view end = suffix;
      if (s.size() > end.size() && s.compare(s.size() - end.size(), end.size(), end) == 0 &&
          is_digit(s[0])) {
        half = suffix[0] == 'a' ? "AM" : "PM";
        s.resize(s.size() - end.size());
        break;
      }
    }
    if (half.empty() && t_.trail.empty())
      if (const Token* after = next()) {
        const std::string low = lower_ascii(after->core);
        if (low == "am" || low == "pm" || low == "a.m" || low == "p.m") {
          if (!is_digit(s[0]) || (low == "am" && !is_upper(after->core[0]) &&
                                  s.find(':') == std::string::npos && s.size() > 2))
            return false;
          half = low[0] == 'a' ? "AM" : "PM";
          out_.used = 2;
          out_.dotted = low.size() == 3;
        }
      }
    const auto parts = split_numbers(s, ':');
    const bool timed = parts.size() == 2 || parts.size() == 3;
    if (!(timed || (parts.size() == 1 && !half.empty())) || parts[0] > 24 ||
        (timed && (s.size() < 4 || parts[1] > 59 || (parts.size() == 3 && parts[2] > 59)))) {
      out_.used = 1;
      return false;
    }
    Strings words;
    if (half.empty())
      words = time_words(parts[0], parts[1], parts.size() == 3 ? parts[2] : -1);
    else
      words = time_words(parts[0] == 0 ? 12 : parts[0], timed ? parts[1] : 0,
                         parts.size() == 3 ? parts[2] : -1);
    if (!half.empty()) std::erase(words, "o'clock");
    done(words);
    if (!half.empty())
      for (auto& w : letters_of(half)) out_.words.push_back(std::move(w));
    return true;
  }

  bool date() {
    if (const auto iso = split_numbers(t_.core, '-'); iso.size() == 3 && t_.core.find('-') == 4 &&
                                                      iso[1] >= 1 && iso[1] <= 12 && iso[2] >= 1 &&
                                                      iso[2] <= 31)
      return done(date_words(iso[0], iso[1], iso[2]));
    if (const auto us = split_numbers(t_.core, '/');
        us.size() == 3 && us[0] >= 1 && us[0] <= 12 && us[1] >= 1 && us[1] <= 31 && us[2] >= 1000)
      return done(date_words(us[2], us[0], us[1]));
    // March 12, 2024 and 12 March 2024: the day becomes an ordinal, the year a year.
    const auto is_month = [](std::string s) {
      if (s.size() == 3 || s == "sept")
        for (const auto& m : kMonths)
          if (m.compare(0, 3, s.substr(0, 3)) == 0) return true;
      return std::find(kMonths.begin(), kMonths.end(), s) != kMonths.end();
    };
    if (!all_digits(t_.core)) return false;
    const int value = t_.core.size() <= 4 ? std::stoi(t_.core) : 0;
    const bool after_month =
        i_ > 0 && is_month(neighbour(-1)) && starts_upper(tokens_[i_ - 1].core);
    const bool before_month = next() && is_month(neighbour(1)) && starts_upper(next()->core);
    if (t_.core.size() <= 2 && value >= 1 && value <= 31 && (after_month || before_month))
      return done(ordinal_words(t_.core));
    const bool after_day = i_ > 1 && is_month(neighbour(-2)) && all_digits(neighbour(-1));
    if (t_.core.size() == 4 && value >= 1000 &&
        (after_month || after_day || kBeforeYear.count(neighbour(-1))) && value <= 2199 &&
        (t_.trail.empty() || t_.trail[0] != '%'))
      return done(year_words(value));
    return false;
  }

  bool fraction() {
    const auto parts = split_numbers(t_.core, '/');
    if (parts.size() != 2 || parts[1] == 0) return false;
    Strings words = cardinal_words(std::to_string(parts[0]));
    if (parts[1] == 2)
      words.push_back(parts[0] == 1 ? "half" : "halves");
    else if (parts[1] == 4)
      words.push_back(parts[0] == 1 ? "quarter" : "quarters");
    else {
      add(words, ordinal_words(std::to_string(parts[1])));
      if (parts[0] != 1) words.back() += "s";
    }
    return done(words);
  }

  bool number() {
    const std::string& s = t_.core;
    const std::string low = lower_ascii(s);
    if (fraction()) return true;
    // 1st, 22nd
    if (s.size() > 2 && all_digits(std::string_view(s).substr(0, s.size() - 2))) {
      const std::string end = low.substr(s.size() - 2);
      if (end == "st" || end == "nd" || end == "rd" || end == "th")
        return done(ordinal_words(s.substr(0, s.size() - 2)));
    }
    // 1990s, 90s
    if (s.size() >= 3 && low.back() == 's' &&
        all_digits(std::string_view(s).substr(0, s.size() - 1)) && s[s.size() - 2] == '0' &&
        (s.size() == 3 || s.size() == 5)) {
      const int year = std::stoi(s);
      Strings words = s.size() == 5 ? year_words(year) : cardinal_words(s.substr(0, 2));
      std::string& last = words.back();
      if (last.back() == 'y')
        last.replace(last.size() - 1, 1, "ies");
      else
        last += "s";
      return done(words);
    }
    // A telephone number, or a range
    if (is_digit(s[0]) || s[0] == '+') {
      const auto dashes = std::count(s.begin(), s.end(), '-');
      if (dashes >= 2 && s.find_first_not_of("+0123456789-") == std::string::npos)
        return done(digit_words(s));
      size_t cut = s.find("–", 1), width = 3;
      if (cut == std::string::npos) cut = s.find('-', 1), width = 1;
      if (cut != std::string::npos) {
        Number a, b;
        const std::string left = s.substr(0, cut), right = s.substr(cut + width);
        if (read_number(left, a) && a.length == left.size() && read_number(right, b) &&
            b.length == right.size()) {
          Strings words = number_words(a);
          words.push_back("to");
          add(words, number_words(b));
          return done(words);
        }
      }
    }
    Number n;
    if (!read_number(s, n)) return false;
    const std::string unit = low.substr(n.length);
    if (unit.empty()) {
      // "5 km": the unit is the next token. One letter alone may be anything.
      if (const Token* after = next(); after && t_.trail.empty() && after->core.size() > 1)
        for (const Unit& u : kUnits)
          if (after->core == u.written && std::string(u.written) != "in") {
            Strings words = number_words(n);
            add(words, split_words(is_one(n) ? u.one : u.many));
            out_.used = 2;
            return done(words);
          }
      return done(number_words(n));
    }
    for (const Unit& u : kUnits)
      if (unit == u.written) {
        Strings words = number_words(n);
        add(words, split_words(is_one(n) ? u.one : u.many));
        return done(words);
      }
    return false;
  }

  bool roman() {
    const int value = roman_value(t_.core);
    if (value == 0 || i_ == 0) return false;
    const std::string before = neighbour(-1);
    if (kBeforeRoman.count(before)) return done(cardinal_words(std::to_string(value)));
    if (t_.core.size() < 2 && t_.core != "V" && t_.core != "X") return false;
    if (!kRulers.count(before) || !starts_upper(tokens_[i_ - 1].core)) return false;
    Strings words = {"the"};
    add(words, ordinal_words(std::to_string(value)));
    return done(words);
  }

  bool address() {
    const std::string low = lower_ascii(t_.core);
    const bool web =
        low.rfind("http://", 0) == 0 || low.rfind("https://", 0) == 0 || low.rfind("www.", 0) == 0;
    const size_t at = low.find('@');
    const bool mail = at != std::string::npos && at > 0 && low.find('.', at) != std::string::npos;
    bool domain = false;
    for (const char* end : {".com", ".org", ".net", ".edu", ".gov", ".io"})
      domain = domain || (low.size() > 4 && low.find(end) == low.size() - std::string(end).size());
    if (!web && !mail && !domain) return false;
    std::string rest = low.substr(web && low[0] == 'h' ? low.find("//") + 2 : 0);
    out_.words.clear();
    std::string word;
    const auto flush = [&] {
      if (all_digits(word))
        append(digit_words(word));
      else if (word == "www" || (word.size() <= 2 && !word.empty()))
        for (auto& w : letters_of(word)) out_.words.push_back(std::move(w));
      else if (!word.empty())
        append({word});
      word.clear();
    };
    const std::map<char, const char*> said = {{'.', "dot"},  {'@', "at"},         {'/', "slash"},
                                              {'-', "dash"}, {'_', "underscore"}, {':', "colon"}};
    for (const char c : rest) {
      if (is_alpha(c) || is_digit(c)) {
        if (!word.empty() && is_digit(word.back()) != is_digit(c)) flush();
        word += c;
        continue;
      }
      flush();
      if (const auto it = said.find(c); it != said.end()) append({it->second});
    }
    flush();
    return !out_.words.empty();
  }

  void append(const Strings& words) {
    for (auto& w : words_of(words)) out_.words.push_back(std::move(w));
  }

  bool symbol() {
    const std::map<std::string, Strings> known = {{"&", {"and"}},
                                                  {"+", {"plus"}},
                                                  {"=", {"equals"}},
                                                  {"@", {"at"}},
                                                  {"%", {"percent"}},
                                                  {"#", {"number"}},
                                                  {"×", {"times"}},
                                                  {"÷", {"divided", "by"}},
                                                  {"°", {"degrees"}},
                                                  {"<", {"less", "than"}},
                                                  {">", {"greater", "than"}},
                                                  {"$", {"dollars"}},
                                                  {"€", {"euros"}},
                                                  {"£", {"pounds"}},
                                                  {"©", {"copyright"}},
                                                  {"½", {"one", "half"}},
                                                  {"¼", {"one", "quarter"}},
                                                  {"¾", {"three", "quarters"}}};
    if (const auto it = known.find(t_.core); it != known.end()) return done(it->second);
    if (t_.core.size() > 1 && t_.core[0] == '#' && all_digits(t_.core.substr(1))) {
      Strings words = {"number"};
      add(words, cardinal_words(t_.core.substr(1)));
      return done(words);
    }
    return false;
  }

  /// FBI, NASA, MP3, B2B.
  bool letters_and_digits() {
    const std::string& s = t_.core;
    const bool has_digit = std::any_of(s.begin(), s.end(), is_digit);
    if (has_digit) {
      std::string part;
      const auto flush = [&] {
        if (all_digits(part))
          append(part[0] == '0' || part.size() > 4 ? digit_words(part) : cardinal_words(part));
        else if (part.size() <= 3 || all_of(part, is_upper))
          for (auto& w : letters_of(part)) out_.words.push_back(std::move(w));
        else if (!part.empty())
          append({lower_ascii(part)});
        part.clear();
      };
      for (const char c : s) {
        if (!is_digit(c) && !is_alpha(c)) {
          flush();
          continue;
        }
        if (!part.empty() && is_digit(part.back()) != is_digit(c)) flush();
        part += c;
      }
      flush();
      return !out_.words.empty();
    }
    std::string letters = s;
    const bool plural = s.size() > 2 && s.back() == 's' && is_upper(s[s.size() - 2]);
    if (plural) letters.pop_back();
    if (letters.size() < 2 || letters.size() > 6 || !all_of(letters, is_upper)) return false;
    if (shouted() || is_said_as_word(lower_ascii(letters))) return false;
    out_.words = letters_of(letters);
    if (plural) {
      out_.words.back().text += "s";
      if (auto& phones = out_.words.back().pronunciation.arpabet; !phones.empty())
        phones.push_back("Z");
    }
    return true;
  }
  /// In a heading in capitals words are words.
  bool shouted() const {
    int capital = 0, small = 0;
    for (size_t k = i_ >= 3 ? i_ - 3 : 0; k < std::min(tokens_.size(), i_ + 4); ++k) {
      if (k == i_) continue;
      const std::string& c = tokens_[k].core;
      if (c.size() > 3 && all_of(c, is_upper)) ++capital;
      if (std::any_of(c.begin(), c.end(), [](char x) { return x >= 'a' && x <= 'z'; })) ++small;
    }
    return capital > 0 && small == 0;
  }
  static bool is_said_as_word(const std::string& low) {
    const std::set<std::string> always_spelled = {"us", "it", "am", "pm", "id", "or", "in", "is",
                                                  "as", "ad", "pa", "ma", "al", "tv", "hr", "pr"};
    if (always_spelled.count(low))
      return low == "it" || low == "or" || low == "in" || low == "is" || low == "as" || low == "am";
    const auto found = CmuDict::get().find(low);
    if (!found) {
      // Not in the dictionary: a word only when it could be one.
      return low.size() >= 4 && low.find_first_of("aeiou") != std::string::npos &&
             CmuDict::get().size() == 0;
    }
    std::vector<std::string> spelled;
    for (const char c : low)
      for (const auto& p : letter_name(c)) spelled.push_back(p);
    std::vector<std::string> said = *found;
    for (auto* list : {&spelled, &said})
      for (std::string& p : *list)
        if (p.back() >= '0' && p.back() <= '2') p.pop_back();
    return said != spelled;
  }

  void plain() {
    // "it's" is one word; "word/word" and "a_b" are several.
    Strings words(1);
    for (const char c : t_.core) {
      if (c == '&') {
        words.emplace_back("and");
        words.emplace_back();
      } else if (c == '/' || c == '_' || c == '\\' || c == '~' || c == '*' || c == '^' || c == '|')
        words.emplace_back();
      else
        words.back() += c;
    }
    std::erase(words, "");
    for (std::string& w : words) w = lower_ascii(w);
    out_.words = words_of(words);
    if (words.size() == 1 && words[0].size() == 1 && is_upper(t_.core[0]) && t_.core != "I" &&
        t_.core != "A" && t_.core != "O")
      out_.words = letters_of(t_.core);
  }

  const std::vector<Token>& tokens_;
  size_t i_;
  const Token& t_;
  const TextOptions& options_;
  Spoken out_;
};

}  // namespace

std::vector<Word> words_of(const std::vector<std::string>& texts) {
  std::vector<Word> out;
  for (const auto& t : texts) {
    Word w;
    w.text = lower_ascii(t);
    out.push_back(std::move(w));
  }
  return out;
}

std::vector<Word> letters_of(const std::string& letters) {
  std::vector<Word> out;
  for (const char c : letters) {
    Word w;
    w.text = lower_ascii(std::string(1, c));
    w.pronunciation.arpabet = letter_name(c);
    out.push_back(std::move(w));
  }
  return out;
}

Spoken say_token(const std::vector<Token>& tokens, size_t i, const TextOptions& options) {
  return Sayer(tokens, i, options).run();
}

}  // namespace likeness::voice
