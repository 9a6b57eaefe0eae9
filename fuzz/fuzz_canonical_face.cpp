// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/face/geometry.h"

LIKENESS_FUZZ_TARGET(bytes) { likeness::face::parse_canonical_face(bytes); }
