// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <string_view>

#include "likeness/voice/text_internal.h"

namespace likeness::voice {
namespace {

constexpr std::array kSmall = {"zero",    "one",     "two",       "three",    "four",
                               "five",    "six",     "seven",     "eight",    "nine",
                               "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                               "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
constexpr std::array kTens = {"",      "",      "twenty",  "thirty", "forty",
                              "fifty", "sixty", "seventy", "eighty", "ninety"};
constexpr std::array kGroups = {"",           "thousand",    "million",     "billion",
                                "trillion",   "quadrillion", "quintillion", "sextillion",
                                "septillion", "octillion",   "nonillion",   "decillion"};

void below_thousand(int n, std::vector<std::string>& out) {
  if (n >= 100) {
    out.push_back(kSmall[static_cast<size_t>(n / 100)]);
    out.push_back("hundred");
    n %= 100;
    if (n == 0) return;
  }
  if (n < 20) {
    out.push_back(kSmall[static_cast<size_t>(n)]);
    return;
  }
  out.push_back(kTens[static_cast<size_t>(n / 10)]);
  if (n % 10) out.push_back(kSmall[static_cast<size_t>(n % 10)]);
}

}  // namespace

bool all_digits(std::string_view s) {
  return !s.empty() && s.find_first_not_of("0123456789") == std::string_view::npos;
}

std::vector<std::string> digit_words(std::string_view digits) {
  std::vector<std::string> out;
  for (const char c : digits)
    if (c >= '0' && c <= '9') out.push_back(kSmall[static_cast<size_t>(c - '0')]);
  return out;
}

std::vector<std::string> cardinal_words(std::string digits) {
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return {"zero"};
  if (digits.size() > 3 * kGroups.size()) return digit_words(digits);
  std::vector<std::string> out;
  while (digits.size() % 3) digits.insert(0, "0");
  const size_t groups = digits.size() / 3;
  for (size_t g = 0; g < groups; ++g) {
    const int n = std::stoi(digits.substr(3 * g, 3));
    if (n == 0) continue;
    below_thousand(n, out);
    if (g + 1 < groups) out.push_back(kGroups[groups - 1 - g]);
  }
  return out;
}

std::vector<std::string> ordinal_words(std::string digits) {
  auto out = cardinal_words(std::move(digits));
  std::string& last = out.back();
  constexpr std::array<std::pair<const char*, const char*>, 7> kIrregular = {
      {{"one", "first"},
       {"two", "second"},
       {"three", "third"},
       {"five", "fifth"},
       {"eight", "eighth"},
       {"nine", "ninth"},
       {"twelve", "twelfth"}}};
  for (const auto& [from, to] : kIrregular)
    if (last == from) {
      last = to;
      return out;
    }
  if (last.back() == 'y')
    last.replace(last.size() - 1, 1, "ieth");
  else
    last += "th";
  return out;
}

std::vector<std::string> year_words(int year) {
  if (year < 1000 || year > 9999 || year % 1000 < 10 || (year >= 2000 && year < 2010))
    return cardinal_words(std::to_string(year));
  auto out = cardinal_words(std::to_string(year / 100));
  const int rest = year % 100;
  if (rest == 0) {
    out.push_back("hundred");
  } else {
    if (rest < 10) out.push_back("oh");
    below_thousand(rest, out);
  }
  return out;
}

}  // namespace likeness::voice
