// SPDX-License-Identifier: Apache-2.0
#include "fuzz.h"

#include "likeness/tensor/safetensors.h"

LIKENESS_FUZZ_TARGET(bytes) {
  const likeness::tensor::SafeTensors file(bytes);
  for (const auto& t : file.tensors()) t.to_float();
}
