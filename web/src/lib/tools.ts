// SPDX-License-Identifier: Apache-2.0
// Forms for tasks without a room of their own, and what they gave, in words.
import { label, number } from './format';
import type { JsonSchema, TaskInfo, Values } from './types';

/** Tasks that need pictures, strips or drawings to be asked for: their rooms do that. */
const kRooms: Record<string, string> = { analyse: 'media', extract: 'media', train: 'train', swap: 'swap', speak: 'voice', 'voice-convert': 'voice', 'voice-enroll': 'voice', 'voice-train': 'voice', 'consent-record': 'consent' };

/** What is asked for most, then by name. */
const kFirst = ['demo', 'evaluate', 'verify'];
export const toolsOf = (tasks: Record<string, TaskInfo>): string[] =>
  Object.keys(tasks)
    .filter((name) => tasks[name]?.arguments && !kRooms[name])
    .sort((a, b) => kFirst.indexOf(b) - kFirst.indexOf(a) || (a < b ? -1 : 1));

/** What is needed first, then as it is called. */
export function argumentsOf(schema: JsonSchema | undefined): { name: string; schema: JsonSchema }[] {
  const needed = schema?.required ?? [];
  return Object.entries(schema?.properties ?? {})
    .map(([name, s]) => ({ name, schema: s }))
    .sort((a, b) => Number(needed.includes(b.name)) - Number(needed.includes(a.name)) || (a.name < b.name ? -1 : 1));
}

export const missing = (required: string[], args: Values, files: Record<string, unknown[]>): string[] => required.filter((name) => !(name in args) && !(files[name]?.length ?? 0));

const kShown = 12;
/** Numbers, words and short lists of a result; what lies deeper is in the log. */
export function plainFacts(result: Values): [string, string][] {
  const text = (v: unknown): string | null => {
    if (typeof v === 'number') return number(v, 4);
    if (typeof v === 'boolean') return v ? 'yes' : 'no';
    if (typeof v === 'string') return v || null;
    if (Array.isArray(v) && v.length > 0 && v.length < 9 && v.every((x) => typeof x === 'string' || typeof x === 'number')) return v.join(', ');
    return null;
  };
  return Object.entries(result)
    .filter(([name]) => !['ok', 'findings', 'exit_status', 'job', 'stopped_by'].includes(name))
    .flatMap(([name, value]): [string, string][] => {
      const said = text(value);
      return said === null ? [] : [[label(name), said]];
    })
    .slice(0, kShown);
}

const percent = (share: number) => (share < 0.001 ? 'under 0.1 %' : `${number(100 * share)} %`);
/** Where a cosine of two voices stands between one speaker and two. */
export function comparison(result: Values) {
  const cosine = Number(result.cosine);
  const low = 0.4;
  const files = (result.files ?? []) as { path: string; speech_s: number; notes: string[] }[];
  return {
    verdict: String(result.verdict),
    cosine: cosine.toFixed(3),
    low,
    same: 0.85,
    different: 0.55,
    at: Math.min(1, Math.max(0, (cosine - low) / (1 - low))),
    lines: [
      `${percent(Number(result.different_speakers_this_alike))} of pairs of two speakers are as alike as this.`,
      `${percent(Number(result.one_speaker_this_unlike))} of pairs of one speaker are as unlike as this.`,
    ],
    notes: files.flatMap((f) => [`${f.path}: ${number(f.speech_s)} s of speech`, ...f.notes.map((n) => `${f.path}: ${n}`)]),
  };
}
