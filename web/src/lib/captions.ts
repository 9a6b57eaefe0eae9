// SPDX-License-Identifier: Apache-2.0
// What was said when: words for the page, captions for players. From `likeness speak --timings`.

export interface TimedWord {
  text: string;
  begin_s: number;
  end_s: number;
  /** Bytes of the text it was read from. */
  source?: [number, number];
}
export interface Timings {
  duration_s: number;
  timing: string;
  sentences: { text: string; begin_s: number; end_s: number; words: TimedWord[] }[];
}
export interface Spoken {
  text: string;
  /** What stands behind it: spaces, a full stop. */
  after: string;
  begin_s: number;
  end_s: number;
}

/** The words as they were written where the text is known ("$5"), else as they were said ("five dollars"). */
export function spokenSentences(timings: Timings, written = ''): Spoken[][] {
  const bytes = new TextEncoder().encode(written);
  const slice = (from: number, to: number) => new TextDecoder().decode(bytes.slice(from, to));
  const known = !written.trimStart().startsWith('<') && timings.sentences.every((s) => s.words.every((w) => w.source && w.source[0] < w.source[1] && w.source[1] <= bytes.length));
  if (!known) return timings.sentences.map((s) => s.words.map((w) => ({ text: w.text, after: ' ', begin_s: w.begin_s, end_s: w.end_s })));
  const words = timings.sentences.map((s) => {
    const out: (Spoken & { from: number; to: number })[] = [];
    for (const w of s.words) {
      const [from, to] = w.source!;
      const last = out[out.length - 1];
      if (last && from < last.to) {
        // Two words said for one that was written.
        last.to = Math.max(last.to, to);
        last.end_s = w.end_s;
      } else out.push({ text: '', after: '', begin_s: w.begin_s, end_s: w.end_s, from, to });
    }
    return out;
  });
  const all = words.flat();
  all.forEach((w, i) => {
    w.text = slice(w.from, w.to);
    w.after = slice(w.to, all[i + 1]?.from ?? bytes.length);
  });
  return words;
}

const kMostLetters = 84;
export interface Cue {
  begin_s: number;
  end_s: number;
  text: string;
}
/** A sentence, or parts of a long one, as players show them. */
export function cuesOf(sentences: Spoken[][]): Cue[] {
  const cues: Cue[] = [];
  for (const sentence of sentences) {
    let cue: Cue | null = null;
    for (const w of sentence) {
      const text = w.text + w.after.replace(/\s+/g, ' ');
      if (cue && cue.text.length + text.trimEnd().length > kMostLetters) cue = null;
      if (!cue) cues.push((cue = { begin_s: w.begin_s, end_s: w.end_s, text: '' }));
      cue.text += text;
      cue.end_s = w.end_s;
    }
  }
  return cues.map((c) => ({ ...c, text: c.text.trim() })).filter((c) => c.text !== '');
}

function stamp(s: number, point: string): string {
  const ms = Math.round(s * 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${two(Math.floor(ms / 3_600_000))}:${two(Math.floor(ms / 60_000) % 60)}:${two(Math.floor(ms / 1000) % 60)}${point}${String(ms % 1000).padStart(3, '0')}`;
}
/** A cue ends at an empty line, and "-->" stands between times only. */
const harmless = (text: string) => text.replace(/-->/g, '→').replace(/\s+/g, ' ');
export const srt = (cues: Cue[]) => cues.map((c, i) => `${i + 1}\n${stamp(c.begin_s, ',')} --> ${stamp(c.end_s, ',')}\n${harmless(c.text)}\n`).join('\n');
export const vtt = (cues: Cue[]) => `WEBVTT\n\n${cues.map((c) => `${stamp(c.begin_s, '.')} --> ${stamp(c.end_s, '.')}\n${harmless(c.text).replace(/&/g, '&amp;').replace(/</g, '&lt;')}\n`).join('\n')}`;
