// SPDX-License-Identifier: Apache-2.0
// Short messages at the bottom. They are announced (aria-live), stay while they are pointed at, and
// an undo stays longer.
import { explain, isAbort } from './api';
import type { ErrorBody } from './types';

export interface Toast {
  id: number;
  kind: 'note' | 'error';
  text: string;
  hint?: string;
  action?: { label: string; run: () => void };
}

class Toasts {
  list = $state<Toast[]>([]);
  #next = 1;
  #timers = new Map<number, number>();

  show(toast: Omit<Toast, 'id'>, seconds = toast.kind === 'error' ? 12 : toast.action ? 10 : 4) {
    const id = this.#next++;
    this.list = [...this.list.slice(-1), { ...toast, id }];
    this.resume(id, seconds);
    return id;
  }
  note(text: string, action?: Toast['action']) {
    return this.show(action ? { kind: 'note', text, action } : { kind: 'note', text });
  }
  error(error: unknown) {
    if (isAbort(error)) return;
    const { what, hint }: ErrorBody = explain(error);
    this.show({ kind: 'error', text: what, hint });
  }
  close(id: number) {
    this.hold(id);
    this.list = this.list.filter((t) => t.id !== id);
  }
  hold(id: number) {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
  }
  resume(id: number, seconds = 4) {
    this.hold(id);
    this.#timers.set(id, window.setTimeout(() => this.close(id), seconds * 1000));
  }
}

export const toasts = new Toasts();

/** Runs what a button does; a failure becomes a message. Gives undefined then. */
export async function attempt<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    toasts.error(error);
    return undefined;
  }
}
