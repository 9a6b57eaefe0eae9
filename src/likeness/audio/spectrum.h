// SPDX-License-Identifier: Apache-2.0
// Short-time spectra and mel filter banks.
//
// Frames are centred: frame i is around sample i * hop, the sound is mirrored at both ends, and
// there are 1 + n / hop frames. The window is a periodic Hann window.
#pragma once

#include <complex>
#include <span>
#include <vector>

namespace likeness::audio {

struct StftOptions {
  int window = 1024;  ///< samples; even
  int hop = 256;
  int fft = 0;  ///< 0 = window; larger pads with zeros
};

struct Spectra {
  StftOptions options;
  size_t frames = 0, bins = 0, samples = 0;  ///< bins = fft / 2 + 1; samples of the sound
  std::vector<std::complex<float>> values;   ///< [frames][bins]
  std::span<std::complex<float>> frame(size_t i) { return {values.data() + i * bins, bins}; }
  std::span<const std::complex<float>> frame(size_t i) const {
    return {values.data() + i * bins, bins};
  }
};

Spectra stft(std::span<const float> mono, const StftOptions& options);
/// Least-squares inverse (Griffin and Lim 1984, eq. 6): istft(stft(x)) gives x back where windows
/// overlap by at least half.
std::vector<float> istft(const Spectra& spectra);

enum class MelScale {
  kSlaney,  ///< linear to 1 kHz, then logarithmic (Auditory Toolbox)
  kHtk      ///< 2595 log10(1 + f / 700)
};
struct MelOptions {
  int bands = 80;
  double low_hz = 0, high_hz = 0;  ///< high 0 = half the rate
  MelScale scale = MelScale::kSlaney;
  bool area_normalised = true;  ///< each triangle has the same area (2 / width), else height 1
};
double mel_from_hz(double hz, MelScale scale);
double hz_from_mel(double mel, MelScale scale);
/// [bands][fft / 2 + 1]
std::vector<float> mel_filters(int rate_hz, int fft, const MelOptions& options);

/// [frames][bands]: filters times |spectrum|^power.
std::vector<float> mel_spectrogram(std::span<const float> mono, int rate_hz,
                                   const StftOptions& stft, const MelOptions& mel,
                                   double power = 2);

}  // namespace likeness::audio
