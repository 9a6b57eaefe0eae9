// SPDX-License-Identifier: Apache-2.0
// Inside `voice` only: what English abbreviations, units and signs are said as.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace likeness::voice {

using Strings = std::vector<std::string>;

struct Abbreviation {
  const char *written, *said;
  bool ends;      ///< a sentence may end after it
  int needs = 0;  ///< so that words that look alike stay words
};
inline constexpr int kCapital = 1, kNumberBefore = 2, kNumberAfter = 4;
inline constexpr std::array kAbbreviations = {
    Abbreviation{"dr", "doctor", false},
    Abbreviation{"mr", "mister", false},
    Abbreviation{"mrs", "missus", false},
    Abbreviation{"ms", "miz", false},
    Abbreviation{"prof", "professor", false, kCapital},
    Abbreviation{"jr", "junior", true, kCapital},
    Abbreviation{"sr", "senior", true, kCapital},
    Abbreviation{"gen", "general", false, kCapital},
    Abbreviation{"col", "colonel", false, kCapital},
    Abbreviation{"capt", "captain", false, kCapital},
    Abbreviation{"lt", "lieutenant", false, kCapital},
    Abbreviation{"sgt", "sergeant", false, kCapital},
    Abbreviation{"rev", "reverend", false, kCapital},
    Abbreviation{"hon", "honorable", false, kCapital},
    Abbreviation{"gov", "governor", false, kCapital},
    Abbreviation{"sen", "senator", false, kCapital},
    Abbreviation{"rep", "representative", false, kCapital},
    Abbreviation{"pres", "president", false, kCapital},
    Abbreviation{"vs", "versus", false},
    Abbreviation{"etc", "et cetera", true},
    Abbreviation{"e.g", "for example", false},
    Abbreviation{"i.e", "that is", false},
    Abbreviation{"approx", "approximately", false},
    Abbreviation{"dept", "department", true},
    Abbreviation{"inc", "incorporated", true, kCapital},
    Abbreviation{"ltd", "limited", true, kCapital},
    Abbreviation{"corp", "corporation", true, kCapital},
    Abbreviation{"co", "company", true, kCapital},
    Abbreviation{"ave", "avenue", true, kCapital},
    Abbreviation{"blvd", "boulevard", true, kCapital},
    Abbreviation{"rd", "road", true, kCapital},
    Abbreviation{"mt", "mount", false, kCapital},
    Abbreviation{"ft", "feet", true, kNumberBefore},
    Abbreviation{"fig", "figure", false, kNumberAfter},
    Abbreviation{"vol", "volume", false, kNumberAfter},
    Abbreviation{"ch", "chapter", false, kNumberAfter},
    Abbreviation{"jan", "january", false, kCapital},
    Abbreviation{"feb", "february", false, kCapital},
    Abbreviation{"mar", "march", false, kCapital},
    Abbreviation{"apr", "april", false, kCapital},
    Abbreviation{"jun", "june", false, kCapital},
    Abbreviation{"jul", "july", false, kCapital},
    Abbreviation{"aug", "august", false, kCapital},
    Abbreviation{"sep", "september", false, kCapital},
    Abbreviation{"sept", "september", false, kCapital},
    Abbreviation{"oct", "october", false, kCapital},
    Abbreviation{"nov", "november", false, kCapital},
    Abbreviation{"dec", "december", false, kCapital},
    Abbreviation{"mon", "monday", false, kCapital},
    Abbreviation{"tue", "tuesday", false, kCapital},
    Abbreviation{"wed", "wednesday", false, kCapital},
    Abbreviation{"thu", "thursday", false, kCapital},
    Abbreviation{"fri", "friday", false, kCapital},
    Abbreviation{"sat", "saturday", false, kCapital},
    Abbreviation{"a.m", "AM", true},
    Abbreviation{"p.m", "PM", true},
    Abbreviation{"min", "minutes", true, kNumberBefore},
    Abbreviation{"hr", "hour", true, kNumberBefore},
    Abbreviation{"hrs", "hours", true, kNumberBefore},
};
inline const Strings kMonths = {"january",   "february", "march",    "april",
                                "may",       "june",     "july",     "august",
                                "september", "october",  "november", "december"};
inline const std::set<std::string> kBeforeYear = {
    "in",     "of",     "since",  "until",  "till",  "by",      "from",    "year", "to",
    "before", "after",  "during", "around", "circa", "early",   "late",    "mid",  "spring",
    "summer", "autumn", "fall",   "winter", "and",   "through", "between", "class"};
inline const std::set<std::string> kBeforeRoman = {
    "chapter", "part",    "act",    "scene",    "volume", "book",  "war",
    "section", "phase",   "type",   "appendix", "figure", "table", "mark",
    "bowl",    "article", "apollo", "title",    "world",  "level", "stage"};
inline const std::set<std::string> kRulers = {
    "henry",     "elizabeth", "charles",   "george",    "louis",   "william",  "edward",    "james",
    "pius",      "benedict",  "napoleon",  "philip",    "richard", "ivan",     "frederick", "leo",
    "gregory",   "nicholas",  "alexander", "catherine", "peter",   "paul",     "john",      "otto",
    "innocent",  "clement",   "ferdinand", "francis",   "joseph",  "ptolemy",  "mehmed",    "mary",
    "christian", "gustav",    "carl",      "harald",    "murad",   "ramesses", "thutmose",  "pope"};
struct Unit {
  const char *written, *one, *many;
};
inline constexpr std::array kUnits = {
    Unit{"km", "kilometer", "kilometers"},
    Unit{"cm", "centimeter", "centimeters"},
    Unit{"mm", "millimeter", "millimeters"},
    Unit{"m", "meter", "meters"},
    Unit{"kg", "kilogram", "kilograms"},
    Unit{"g", "gram", "grams"},
    Unit{"mg", "milligram", "milligrams"},
    Unit{"lb", "pound", "pounds"},
    Unit{"lbs", "pound", "pounds"},
    Unit{"oz", "ounce", "ounces"},
    Unit{"ml", "milliliter", "milliliters"},
    Unit{"l", "liter", "liters"},
    Unit{"mph", "mile per hour", "miles per hour"},
    Unit{"km/h", "kilometer per hour", "kilometers per hour"},
    Unit{"hz", "hertz", "hertz"},
    Unit{"khz", "kilohertz", "kilohertz"},
    Unit{"mhz", "megahertz", "megahertz"},
    Unit{"ghz", "gigahertz", "gigahertz"},
    Unit{"kb", "kilobyte", "kilobytes"},
    Unit{"mb", "megabyte", "megabytes"},
    Unit{"gb", "gigabyte", "gigabytes"},
    Unit{"tb", "terabyte", "terabytes"},
    Unit{"kw", "kilowatt", "kilowatts"},
    Unit{"w", "watt", "watts"},
    Unit{"v", "volt", "volts"},
    Unit{"db", "decibel", "decibels"},
    Unit{"s", "second", "seconds"},
    Unit{"ms", "millisecond", "milliseconds"},
    Unit{"ft", "foot", "feet"},
    Unit{"in", "inch", "inches"},
    Unit{"px", "pixel", "pixels"},
    Unit{"%", "percent", "percent"},
    Unit{"°", "degree", "degrees"},
    Unit{"°c", "degree Celsius", "degrees Celsius"},
    Unit{"°f", "degree Fahrenheit", "degrees Fahrenheit"},
    Unit{"fps", "frame per second", "frames per second"},
};
struct Currency {
  const char *sign, *one, *many, *cent, *cents;
};
inline constexpr std::array kCurrencies = {Currency{"$", "dollar", "dollars", "cent", "cents"},
                                           Currency{"£", "pound", "pounds", "penny", "pence"},
                                           Currency{"€", "euro", "euros", "cent", "cents"},
                                           Currency{"¥", "yen", "yen", "sen", "sen"}};
inline const std::map<std::string, std::string> kMagnitudes = {
    {"k", "thousand"},      {"m", "million"},         {"bn", "billion"},
    {"b", "billion"},       {"tn", "trillion"},       {"million", "million"},
    {"billion", "billion"}, {"thousand", "thousand"}, {"trillion", "trillion"}};

}  // namespace likeness::voice
