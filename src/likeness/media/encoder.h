// SPDX-License-Identifier: Apache-2.0
// Inside `media` only: choosing and opening a video encoder.
#pragma once

#include "likeness/media/ffmpeg.h"
#include "likeness/media/video.h"

namespace likeness::media {

struct EncoderSetup {
  AVRational time_base{1, 25}, frame_rate{25, 1};
  AVRational sample_aspect{1, 1};
  bool global_header = false;
};

struct Encoder {
  CodecPtr context;
  AVBufferRef* hardware_frames = nullptr;  ///< owned by context; frames must be uploaded when set
};

/// The software encoder of options.codec (h264, h265, prores, ffv1). Throws kUsage, kMissing.
const AVCodec* software_encoder(const WriterOptions& options);
/// A hardware encoder that encoded a picture like this on this machine just now, or null.
const AVCodec* working_hardware_encoder(const WriterOptions& options, const VideoInfo& like);
/// What the encoder shall be fed for frames like `first`.
AVPixelFormat encoder_format(const AVCodec& codec, const WriterOptions& options,
                             const AVFrame& first);
/// `first` gives size, colour tags and chroma siting; its format must be encoder_format().
Encoder open_encoder(const AVCodec& codec, const WriterOptions& options, const EncoderSetup& setup,
                     const AVFrame& first, LogCapture& capture);
/// Sends a picture (null: the end) to the encoder, uploading it where needed.
int send_picture(Encoder& encoder, const AVFrame* picture);

}  // namespace likeness::media
