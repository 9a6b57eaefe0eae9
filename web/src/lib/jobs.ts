// SPDX-License-Identifier: Apache-2.0
// What can be done with a job in the queue.
import type { Job, JsonSchema, TaskInfo } from './types';

/** Jobs that take an uploaded file remove it when they are done: a copy would find nothing. */
const takesUpload = (job: Job, schema?: JsonSchema) => Object.entries(schema?.properties ?? {}).some(([name, p]) => ['internal', 'file', 'files'].includes(p.kind ?? '') && JSON.stringify(job.arguments[name] ?? '').includes('work/'));
const hasForm = (task?: TaskInfo) => Object.keys(task?.schema.properties ?? {}).length > 0;

export const canChange = (job: Job, task?: TaskInfo) => hasForm(task) && job.state !== 'running' && job.state !== 'done';
export const canCopy = (job: Job, task?: TaskInfo) => hasForm(task) && !takesUpload(job, task?.arguments);

/** "take" -> "take-2", "take-2" -> "take-3": the first that nothing is called, whatever its ending. */
export function freeName(name: string, taken: string[]): string {
  const stem = (n: string) => n.replace(/\.[a-z0-9]{2,4}$/i, '');
  const used = new Set(taken.map(stem));
  if (!used.has(stem(name))) return name;
  const ending = name.slice(stem(name).length);
  const base = stem(name).replace(/-\d+$/, '');
  for (let i = 2; ; i++) if (!used.has(`${base}-${i}`)) return `${base}-${i}${ending}`;
}
