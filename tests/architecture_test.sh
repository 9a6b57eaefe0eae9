#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tree keeps the rules, and scripts/check-architecture does find what breaks them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
check=$root/scripts/check-architecture
"$check" "$root"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# must_find FILE LINE WORD: with LINE added to FILE the check has to fail and name WORD.
must_find() {
  rm -rf "${copy:?}"/*
  cp -r "$root/src" "$root/docs" "$copy/"
  printf '%s\n' "$2" >> "$copy/src/likeness/$1"
  if said=$("$check" "$copy" 2>&1); then
    echo "not found: $2 in $1" >&2
    exit 1
  fi
  case $said in
    *"$3"*) ;;
    *) printf '%s in %s gave: %s\n' "$2" "$1" "$said" >&2; exit 1 ;;
  esac
}
must_find tasks/runner.cpp '#include <libavcodec/avcodec.h>' FFmpeg
must_find tasks/runner.cpp '#include <SQLiteCpp/SQLiteCpp.h>' SQLite
must_find tasks/runner.cpp '#include <torch/torch.h>' libtorch
must_find tasks/runner.cpp '#include <boost/asio.hpp>' Boost
must_find tasks/runner.cpp 'void f(const AudioClip& c) { media::write_wav("a.wav", c); }' write_output_audio
must_find base/hash.cpp '#include "likeness/media/video.h"' "'base' must not use 'media'"
must_find tensor/graph.h '#include "likeness/media/video.h"' "'tensor' must not use 'media'"
echo "every kind of violation is found"
