// SPDX-License-Identifier: Apache-2.0
#include "likeness/trust/phrase.h"

#include <sstream>

#include "likeness/base/error.h"
#include "likeness/trust/keys.h"

namespace likeness::trust {
namespace {

constexpr const char* kWords = R"(
acorn airport almond anchor animal apron aquarium artichoke astronaut autumn avenue avocado
badge balcony ballerina bamboo banana barometer basket bathrobe beaver beetle bicycle binoculars
biscuit bishop blossom branch breakfast broccoli bronze buffalo bulldozer bundle butterfly cabin
cactus cafeteria calendar camel canyon caravan cardinal carnation carpet castle caterpillar
cathedral cauliflower ceiling cement champion cherry chimney chocolate cinnamon circus clarinet
climate clover coconut coffee collar copper coral cormorant cotton cousin cranberry cricket
crocodile crystal cucumber cupboard curtain cushion daffodil dagger daisy dandelion dentist
desert diamond dictionary dinner dolphin domino donkey doorbell dragon drummer dungeon dynamite
eagle elbow elephant elevator emerald encyclopedia engine envelope eucalyptus evening fabric
farmer feather festival fiddle firefly fisherman flamingo flannel flashlight footprint forest
fossil fountain fragment freckle furnace galaxy gallery garden garlic gazelle gingerbread
giraffe glacier goblin gorilla granite grapefruit grasshopper greenhouse guitar gymnasium
hamster handkerchief harbour harmonica harvest hedgehog helicopter helmet horizon hospital
hunter hurricane igloo iguana island ivory jaguar jellyfish jewel jigsaw juniper kangaroo
ketchup keyboard kilometre kingdom kitchen labyrinth ladder lantern lasagne lavender lemonade
leopard lettuce library lighthouse lizard lobster locket locomotive lumber magazine magnet
mammoth mandolin mango marble marmalade meadow mechanic melon mermaid microscope mirror mitten
monsoon moonlight mosquito motorcycle muffin museum mushroom mustard napkin necklace nephew
nightingale noodle notebook nursery nutmeg oatmeal obelisk october olive omelette onion orange
orchestra origami ostrich oven padlock palace pancake parachute pavilion pharmacy pineapple
platypus pomegranate pumpkin quarry raincoat rhubarb saxophone scorpion seaweed skyscraper
snowflake spaghetti strawberry submarine sunflower symphony tambourine tangerine telescope
thermometer tortoise treasure trombone tropical tuxedo vineyard windmill xylophone zebra
zucchini
)";

}  // namespace

const std::vector<std::string>& phrase_words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> out;
    std::istringstream in(kWords);
    for (std::string w; in >> w;) out.push_back(w);
    LIKENESS_REQUIRE(out.size() == 256);
    return out;
  }();
  return words;
}

std::string phrase_of(std::string_view canonical_terms, std::string_view nonce) {
  const auto digest = sha256_bytes(std::string(canonical_terms) + std::string(nonce));
  std::string out;
  for (int i = 0; i < kPhraseWords; ++i)
    out += (i ? " " : "") + phrase_words()[digest[static_cast<size_t>(i)]];
  return out;
}

}  // namespace likeness::trust
