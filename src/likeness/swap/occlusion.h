// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "likeness/base/image.h"

namespace likeness::swap {

/// What covers a face: where the unwrapped, light-normalised `texture` departs from what the
/// person's appearance model `expected`, over an area larger than a wrinkle. Same sizes; `visible`
/// has 1 channel. Gives 0..1, soft edges.
ImageF occluders(const ImageF& texture, const ImageF& expected, const ImageF& visible);

}  // namespace likeness::swap
