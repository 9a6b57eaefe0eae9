// SPDX-License-Identifier: Apache-2.0
// The first byte says which parser gets the rest: text and SSML, a lexicon, a Piper voice's JSON;
// the last two also as sounds of a word.
#include "fuzz.h"

#include "likeness/voice/phones.h"
#include "likeness/voice/piper.h"
#include "likeness/voice/text.h"

LIKENESS_FUZZ_TARGET(bytes) {
  if (bytes.empty()) return;
  const std::string text(reinterpret_cast<const char*>(bytes.data()) + 1, bytes.size() - 1);
  switch (bytes[0] % 4) {
    case 0:
      likeness::voice::read_script(text);
      break;
    case 1:
      likeness::voice::read_script("<speak>" + text);
      break;
    case 2:
      likeness::voice::arpabet_from_ipa(text);
      likeness::voice::Lexicon::parse(text, "lexicon");
      break;
    default:
      if (const auto phones = likeness::voice::parse_arpabet(text))
        likeness::voice::ipa_from_arpabet(*phones);
      likeness::voice::PiperConfig::parse(text, "voice");
  }
}
