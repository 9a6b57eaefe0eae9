// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/tensor/flexbuffer.h"

LIKENESS_FUZZ_TARGET(bytes) { likeness::tensor::parse_flexbuffer_map(bytes); }
