// SPDX-License-Identifier: Apache-2.0
// From a training log to the curves of the chart.
import type { TrainRow } from './types';

export interface Curves {
  step: number[];
  loss: (number | null)[];
  smooth: (number | null)[];
  identity: (number | null)[];
  performer: (number | null)[];
}

const finite = (n: unknown): number | null => (typeof n === 'number' && Number.isFinite(n) ? n : null);

/** Rows in order of steps, one per step and kind; a resumed run writes some steps again: the newest counts. */
export function orderRows(rows: TrainRow[]): TrainRow[] {
  const newest = new Map<string, TrainRow>();
  for (const row of rows) if (Number.isFinite(row.step)) newest.set(`${row.step} ${row.event ?? ''}`, row);
  return [...newest.values()].sort((a, b) => a.step - b.step);
}

/** `smoothing` 0 to 1: how much of the past stays in the smoothed loss. Debiased, so that it starts at the data. */
export function curvesOf(rows: TrainRow[], smoothing: number, fromStep: number): Curves {
  const out: Curves = { step: [], loss: [], smooth: [], identity: [], performer: [] };
  let mean = 0;
  let weight = 0;
  for (const row of rows) {
    const loss = finite(row.loss);
    if (loss !== null) {
      mean = smoothing * mean + (1 - smoothing) * loss;
      weight = smoothing * weight + (1 - smoothing);
    }
    if (row.step < fromStep) continue;
    out.step.push(row.step);
    out.loss.push(loss);
    out.smooth.push(loss === null ? null : mean / weight);
    out.identity.push(finite(row.l1_identity));
    out.performer.push(finite(row.l1_performer));
  }
  return out;
}

/** Mean of the loss after a step (the last save), or null when nothing was written since. */
export function meanSince(rows: TrainRow[], step: number): number | null {
  const losses = rows.filter((r) => r.step > step).map((r) => finite(r.loss)).filter((n): n is number => n !== null);
  return losses.length > 0 ? losses.reduce((a, b) => a + b, 0) / losses.length : null;
}

/** Ranges that are offered for a log that ends at `last`: "all", and the last so many steps. */
export function rangesOf(last: number): number[] {
  return [100, 500, 1000, 5000, 10_000, 50_000, 100_000, 500_000].filter((n) => n < last).slice(-4);
}
