// SPDX-License-Identifier: Apache-2.0
// What the Voice room says of an enrolled voice and of the jobs that make one.
import { plural } from './format';
import type { Job, VoiceRow } from './types';

/** "2.4 min" */
export const minutesOf = (seconds: number) => `${(seconds / 60).toFixed(seconds < 600 ? 1 : 0)} min`;

export function qualityText(voice: VoiceRow): string {
  const q = voice.quality;
  if (!q) return 'It cannot be opened here.';
  const more = minutesOf(Math.max(6, q.more_s));
  if (q.level === 'good') return 'Enough for a good voice.';
  return q.level === 'enough' ? `Enough for a first voice; ${more} more make it clearly better.` : `${more} more are enough for a first voice.`;
}

export const voiceNote = (v: VoiceRow) => {
  if (v.engine !== 'enrolled') return `${v.engine} · ${v.language}`;
  return `${v.minutes === null || v.minutes === undefined ? 'sealed' : `${v.minutes.toFixed(1)} min`} · ${v.trained ? 'trained' : 'not trained'}`;
};

/** The newest job that enrols or trains this voice. */
export const voiceJob = (jobs: Job[], subject: string, task: string): Job | undefined =>
  jobs.filter((j) => j.task === task && j.arguments.subject === subject).sort((a, b) => b.id - a.id)[0];

/** Recordings of somebody else were among them, and those could be left out. */
export const othersVoice = (job: Job): boolean => job.state === 'failed' && /\(other-voice/.test(job.error?.what ?? '') && job.options.leave_out !== true;

/** What an enrolment or a training gave, as lines to read. */
export function resultLines(job: Job): [string, string][] {
  const r = (job.result ?? {}) as Record<string, unknown>;
  const num = (v: unknown, digits = 3) => (typeof v === 'number' ? String(Number(v.toPrecision(digits))) : '–');
  if (job.task === 'voice-enroll') {
    const match = r.match as { against?: string; lowest?: number; least?: number; recording?: string } | undefined;
    return [
      ['Enrolled', `${plural(Number(r.added ?? 0), 'recording')}, ${minutesOf(Number(r.speech_s ?? 0))} of speech`],
      ['In all', `${plural(Number(r.clips ?? 0), 'clip')}, ${minutesOf(Number(r.total_speech_s ?? 0))}, ${Number(r.clips_with_text ?? 0)} with text`],
      ...(Number(r.known ?? 0) > 0 ? [['Known already', String(r.known)] as [string, string]] : []),
      ...(match?.lowest !== undefined ? [['One voice', `against ${match.against}: least alike is ${match.recording}, ${num(match.lowest, 2)} of ${num(match.least, 2)} needed`] as [string, string]] : []),
    ];
  }
  return [
    ['Learned from', minutesOf(Number(r.speech_s ?? 0))],
    ['Steps', `${Number(r.steps ?? 0).toLocaleString('en')} in ${Number(r.minutes ?? 0) < 1 ? `${Math.round(Number(r.minutes ?? 0) * 60)} s` : minutesOf(Number(r.minutes) * 60)}`],
    ['Loss', num(r.loss)],
    ...(typeof r.held_out === 'number' ? [['Held out', num(r.held_out)] as [string, string]] : []),
    ['Height', `${num(r.f0_median_hz)} Hz`],
  ];
}

export interface Finding {
  recording: string;
  rule: string;
  text: string;
}
export const findingsOf = (job: Job, key: 'left_out' | 'warnings'): Finding[] => ((job.result as Record<string, unknown> | null)?.[key] as Finding[] | undefined) ?? [];

export const isText = (name: string) => /\.(txt|csv)$/i.test(name);
