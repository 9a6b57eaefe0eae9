// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without libFuzzer: seeds, their truncations, seeded mutations.
//   fuzz_NAME CORPUS_FOLDER [mutations]
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "fuzz.h"

#include "likeness/base/atomic_file.h"
#include "likeness/base/rng.h"

namespace {

void run(const std::string& bytes) {
  // Exactly as long as the data, so that an address sanitizer sees every overrun.
  const std::vector<uint8_t> copy(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

std::string mutate(const std::vector<std::string>& seeds, likeness::Rng& rng) {
  std::string s = seeds[rng.below(seeds.size())];
  for (uint64_t i = 0; i <= rng.below(6) && !s.empty(); ++i) {
    const size_t at = rng.below(s.size());
    switch (rng.below(5)) {
      case 0:
        s[at] = static_cast<char>(rng.next());
        break;
      case 1:
        s[at] = static_cast<char>(s[at] ^ (1 << rng.below(8)));
        break;
      case 2:
        s.erase(at, 1 + rng.below(16));
        break;
      case 3:
        s.insert(at, s.substr(rng.below(s.size()), 1 + rng.below(16)));
        break;
      default: {  // numbers at the edges of their types
        static const char kEdges[4][5] = {"\xff\xff\xff\xff", "\x00\x00\x00\x80",
                                          "\xff\xff\xff\x7f", "\x00\x00\x00\x00"};
        s.replace(at, 4, kEdges[rng.below(4)], 4);
      }
    }
  }
  return s;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER [mutations]\n", argv[0]);
    return 2;
  }
  const int mutations = argc > 2 ? std::atoi(argv[2]) : 4000;
  std::vector<std::string> seeds;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1]))
    if (entry.is_regular_file()) seeds.push_back(likeness::read_file(entry.path()));
  if (seeds.empty()) {
    std::fprintf(stderr, "%s has no seeds\n", argv[1]);
    return 1;
  }
  size_t runs = 0;
  run("");
  for (const std::string& seed : seeds) {
    run(seed);
    const size_t step = seed.size() / 1000 + 1;
    for (size_t k = 0; k < seed.size(); k += step, ++runs) run(seed.substr(0, k));
  }
  for (int i = 0; i < mutations; ++i, ++runs) {
    likeness::Rng rng(20, i, "fuzz");
    run(mutate(seeds, rng));
  }
  std::printf("%zu seeds, %zu damaged inputs: no crash\n", seeds.size(), runs);
}
