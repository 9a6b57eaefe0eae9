// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them, and time codes as people type them.

export function bytes(n: number): string {
  if (!Number.isFinite(n) || n < 0) return '–';
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) {
    n /= 1000;
    i++;
  }
  return `${i === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** 75 -> "1:15", 3675 -> "1:01:15". */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  return hours > 0 ? `${hours}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** Frame 1234 at 25 fps -> "00:49:09" (minutes, seconds, frames); hours only when needed. */
export function timecode(frame: number, fps: number): string {
  const rate = Math.max(1, Math.round(fps || 25));
  const two = (n: number) => String(n).padStart(2, '0');
  const s = Math.floor(frame / rate);
  const tail = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}:${two(frame % rate)}`;
  return s >= 3600 ? `${two(Math.floor(s / 3600))}:${tail}` : tail;
}

/**
 * What somebody typed into the time field: "120" a frame, "00:04:20" a time code (hh:)mm:ss:ff,
 * "+20" and "-5" frames from here, "+1:00" a second from here, "3.5s" seconds. null when it is none of these.
 */
export function parseTimecode(text: string, fps: number, here: number, frames: number): number | null {
  const trimmed = text.trim();
  const match = /^([+-]?)(.+)$/.exec(trimmed);
  if (!match) return null;
  const rate = Math.max(1, Math.round(fps || 25));
  const body = match[2]!;
  let n: number;
  if (/^\d+$/.test(body)) n = Number(body);
  else if (/^\d+(\.\d+)?s$/.test(body)) n = Math.round(parseFloat(body) * (fps || 25));
  else if (/^\d+(:\d+){1,3}$/.test(body)) {
    const parts = body.split(':').map(Number);
    const ff = parts.pop()!;
    n = parts.reduce((sum, part) => sum * 60 + part, 0) * rate + ff;
  } else return null;
  if (match[1] === '+') n = here + n;
  if (match[1] === '-') n = here - n;
  return Math.min(Math.max(0, n), Math.max(0, frames - 1));
}

/** "min_face_px" -> "Min face". The unit is shown beside the field, so its suffix is left out. */
export function label(name: string, unit?: string): string {
  const units: Record<string, string[]> = { px: ['px'], '%': ['pct'], s: ['s'], deg: ['deg'], Hz: ['hz'], LUFS: ['lufs'], dB: ['db'], min: [], steps: [], frames: [] };
  const words = name.split('_').filter((w, i) => i === 0 || !(unit && units[unit]?.includes(w)));
  const known: Record<string, string> = { crf: 'CRF', fps: 'FPS', px: 'px', gan: 'GAN', ema: 'EMA', lr: 'Rate', dssim: 'DSSIM', mse: 'MSE', l1: 'L1' };
  const text = words.map((w) => known[w] ?? w).join(' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function number(n: number, digits = 3): string {
  if (!Number.isFinite(n)) return '–';
  return Number.isInteger(n) ? n.toLocaleString('en') : Number(n.toPrecision(digits)).toString();
}

export const degrees = (rad: number) => `${Math.round((rad * 180) / Math.PI)}°`;

/** ISO text or seconds since 1970 -> Date. */
export function date(at: string | number | null | undefined): Date | null {
  if (at === null || at === undefined || at === '') return null;
  const d = typeof at === 'number' ? new Date(at * 1000) : new Date(at);
  return Number.isNaN(d.getTime()) ? null : d;
}

export function when(at: string | number | null | undefined, now = Date.now()): string {
  const d = date(at);
  if (!d) return '–';
  const s = (now - d.getTime()) / 1000;
  if (s < 45) return 'just now';
  if (s < 3600) return `${Math.max(1, Math.round(s / 60))} min ago`;
  if (s < 86400) return `${Math.round(s / 3600)} h ago`;
  return d.toLocaleDateString('en', { year: 'numeric', month: 'short', day: 'numeric' });
}

export function clock(at: string | number | null | undefined): string {
  const d = date(at);
  return d ? d.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' }) : '–';
}

export const plural = (n: number, one: string, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;
export const clamp = (n: number, low: number, high: number) => Math.min(Math.max(n, low), high);
