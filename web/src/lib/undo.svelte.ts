// SPDX-License-Identifier: Apache-2.0
// Every edit can be undone: Ctrl+Z, Ctrl+Shift+Z, or the button of the message it leaves.
import { call } from './api';
import { fitting, trashIn, type Call, type Edit, type Kept } from './edit';
import { attempt, toasts } from './toast.svelte';

export type { Call, Edit, Kept };
/** What the room does at once with the answers; the server's events tell everybody else. */
export type After = (answers: unknown[], way: 'redo' | 'undo') => unknown;

const kMostEdits = 100;

class Edits {
  #messages = new Map<Edit, number>();
  #after = new Map<Edit, After>();
  #base = '';
  #keep: (kept: Kept) => void = () => {};
  done = $state.raw<Edit[]>([]);
  undone = $state.raw<Edit[]>([]);

  /** The project's address, its edits of before, and who keeps them. */
  open(base: string, kept: Kept | undefined, keep: (kept: Kept) => void) {
    this.clear();
    this.#base = base;
    this.#keep = keep;
    this.done = kept?.done ?? [];
    this.undone = kept?.undone ?? [];
  }
  clear() {
    this.#keep = () => {};
    this.#messages.clear();
    this.#after.clear();
    this.done = [];
    this.undone = [];
  }

  /** Does the edit and remembers it; a message offers to undo it. */
  async run(edit: Edit, after?: After): Promise<boolean> {
    if (after) this.#after.set(edit, after);
    if (!(await this.#redo(edit))) return false;
    this.undone = [];
    this.#save();
    this.#messages.set(edit, toasts.note(edit.label, { label: 'Undo', run: () => void this.undo(edit) }));
    return true;
  }
  async undo(edit = this.done.at(-1)) {
    if (!edit || !this.done.includes(edit)) return;
    const calls = edit.undo === 'trash' ? (edit.trash ?? []).map((id): Call => ({ method: 'POST', path: `/trash/${encodeURIComponent(id)}/restore` })) : edit.undo;
    if (!(await this.#send(edit, calls, 'undo'))) return;
    this.done = this.done.filter((e) => e !== edit);
    this.undone = [...this.undone, edit];
    this.#save();
    const message = this.#messages.get(edit);
    if (message !== undefined) toasts.close(message);
    toasts.note(`Undone: ${edit.label}`);
  }
  async redo() {
    const edit = this.undone.at(-1);
    if (!edit || !(await this.#redo(edit))) return;
    this.undone = this.undone.filter((e) => e !== edit);
    this.#save();
    toasts.note(`Done again: ${edit.label}`);
  }

  async #redo(edit: Edit) {
    const answers = await this.#send(edit, edit.redo, 'redo');
    if (!answers) return false;
    if (edit.undo === 'trash') edit.trash = answers.flatMap(trashIn);
    this.done = [...this.done.slice(1 - kMostEdits), edit];
    return true;
  }
  #send(edit: Edit, calls: Call[], way: 'redo' | 'undo') {
    const base = this.#base;
    return attempt(async () => {
      const answers: unknown[] = [];
      for (const { method, path, body } of calls) answers.push(await call(`${base}${path}`, { method, ...(body !== undefined ? { body } : method === 'DELETE' ? {} : { body: {} }) }));
      await this.#after.get(edit)?.(answers, way);
      return answers;
    });
  }
  #save() {
    this.#keep(fitting({ done: this.done, undone: this.undone }));
  }
}

export const edits = new Edits();
