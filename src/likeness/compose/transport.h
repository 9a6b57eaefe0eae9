// SPDX-License-Identifier: Apache-2.0
// Distribution transfer by one-dimensional projections; inside the compose module only.
#pragma once

#include "likeness/base/image.h"

namespace likeness::compositing::detail {

/// idt (20 orthonormal triples, each wholly matched) or sot (10 averaged steps of 12 directions).
ImageF transport_colors(const ImageF& source, const ImageF& source_mask, const ImageF& reference,
                        const ImageF& reference_mask, bool sliced);

}  // namespace likeness::compositing::detail
