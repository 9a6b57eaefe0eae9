// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: bringing decoded pictures into a supported layout, size and orientation.
#pragma once

#include "likeness/media/ffmpeg.h"

namespace likeness::media {

/// How stored pixels become upright: transpose first, then flips.
struct Orientation {
  bool transpose = false, flip_x = false, flip_y = false;
  int rotation_deg = 0;  ///< clockwise turn this stands for
  bool identity() const { return !transpose && !flip_x && !flip_y; }
};
/// From a 3x3 display matrix of ISO 14496-12 (9 values, 16.16 fixed point).
Orientation orientation_from_matrix(const int32_t* matrix);
/// From the EXIF tag 0x0112, 1..8.
Orientation orientation_from_exif(int value);

/// The supported format that keeps depth and chroma of `format` (see pixels.h).
AVPixelFormat nearest_supported(AVPixelFormat format);

/// Converts format, size and matrix with swscale; keeps properties. RGB to Y'CbCr gives BT.709
/// limited.
FramePtr convert_picture(const AVFrame& frame, AVPixelFormat format, int width, int height,
                         ScalerPtr& scaler);
/// Any decoded picture -> supported layout (no pixels are copied where the layout already is).
FramePtr normalise_picture(FramePtr frame, ScalerPtr& scaler);
FramePtr orient_picture(FramePtr frame, const Orientation& orientation, ScalerPtr& scaler);

}  // namespace likeness::media
