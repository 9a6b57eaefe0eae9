// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/tensor/checkpoint_model.h"

LIKENESS_FUZZ_TARGET(bytes) { likeness::tensor::parse_checkpoint(bytes, "checkpoint"); }
