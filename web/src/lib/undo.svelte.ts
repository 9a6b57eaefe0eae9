// SPDX-License-Identifier: Apache-2.0
// Every edit can be undone: Ctrl+Z, Ctrl+Shift+Z, or the button of the message it leaves.
import { attempt, toasts } from './toast.svelte';

export interface Edit {
  label: string;
  undo: () => Promise<unknown> | unknown;
  redo: () => Promise<unknown> | unknown;
}

class Edits {
  #messages = new Map<Edit, number>();
  done = $state.raw<Edit[]>([]);
  undone = $state.raw<Edit[]>([]);

  /** Does the edit and remembers it. With `say`, a message offers to undo it. */
  async run(edit: Edit, say = true): Promise<boolean> {
    const ok = await attempt(async () => {
      await edit.redo();
      return true;
    });
    if (!ok) return false;
    this.done = [...this.done.slice(-99), edit];
    this.undone = [];
    if (say) this.#messages.set(edit, toasts.note(edit.label, { label: 'Undo', run: () => void this.undo(edit) }));
    return true;
  }
  async undo(edit = this.done.at(-1)) {
    if (!edit || !this.done.includes(edit)) return;
    const ok = await attempt(async () => {
      await edit.undo();
      return true;
    });
    if (!ok) return;
    this.done = this.done.filter((e) => e !== edit);
    const message = this.#messages.get(edit);
    if (message !== undefined) toasts.close(message);
    this.undone = [...this.undone, edit];
    toasts.note(`Undone: ${edit.label}`);
  }
  async redo() {
    const edit = this.undone.at(-1);
    if (!edit) return;
    this.undone = this.undone.slice(0, -1);
    const undone = this.undone;
    if (await this.run(edit, false)) {
      this.undone = undone;
      toasts.note(`Done again: ${edit.label}`);
    }
  }
  clear() {
    this.done = [];
    this.undone = [];
  }
}

export const edits = new Edits();
