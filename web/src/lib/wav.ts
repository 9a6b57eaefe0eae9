// SPDX-License-Identifier: Apache-2.0
// Samples as the program takes them: 16 bit, little endian, alone or in a WAV file.

/** -1 to 1 -> 16 bit. */
export function pcm16(samples: Float32Array): ArrayBuffer {
  const out = new DataView(new ArrayBuffer(samples.length * 2));
  samples.forEach((x, i) => out.setInt16(2 * i, Math.round(Math.min(Math.max(x, -1), 0.99997) * 32768), true));
  return out.buffer;
}

/** A mono WAV file. */
export function wav(blocks: Float32Array[], rate_hz: number): Blob {
  const data = blocks.map(pcm16);
  const bytes = data.reduce((n, b) => n + b.byteLength, 0);
  const head = new DataView(new ArrayBuffer(44));
  const text = (at: number, word: string) => [...word].forEach((c, i) => head.setUint8(at + i, c.charCodeAt(0)));
  text(0, 'RIFF');
  head.setUint32(4, 36 + bytes, true);
  text(8, 'WAVEfmt ');
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true);
  head.setUint16(22, 1, true);
  head.setUint32(24, rate_hz, true);
  head.setUint32(28, rate_hz * 2, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, 'data');
  head.setUint32(40, bytes, true);
  return new Blob([head.buffer, ...data], { type: 'audio/wav' });
}

/** 0 dB is the loudest there is; silence is -Infinity. */
export const decibels = (peak: number) => 20 * Math.log10(peak);
/** Where a level stands on a meter from -60 to 0 dB: 0 to 1. */
export const meterShare = (peak: number) => Math.min(1, Math.max(0, 1 + decibels(Math.max(peak, 1e-6)) / 60));
/** What a level means for a recording. */
export function levelWord(peak: number): { kind: '' | 'ok' | 'warn' | 'bad'; word: string } {
  const db = decibels(peak);
  if (db < -50) return { kind: '', word: 'silence' };
  if (db < -30) return { kind: 'warn', word: 'quiet: come closer' };
  if (db < -1.5) return { kind: 'ok', word: 'good' };
  return { kind: 'bad', word: 'too loud' };
}
