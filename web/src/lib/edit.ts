// SPDX-License-Identifier: Apache-2.0
// What an edit is, so that it can be kept in the project and undone after a reload: what is asked of
// the server, both ways.

export interface Call {
  method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the project's address: "/media/3". */
  path: string;
  body?: unknown;
}
export interface Edit {
  label: string;
  redo: Call[];
  /** 'trash': what `redo` put into the trash is brought back. */
  undo: Call[] | 'trash';
  trash?: string[];
}
export interface Kept {
  done: Edit[];
  undone: Edit[];
}

const kKeptBytes = 24_000;

/** The last edits that fit: the project keeps them with the rest of what it knows of the page. */
export function fitting(kept: Kept, bytes = kKeptBytes): Kept {
  let left = bytes;
  const newest = (list: Edit[]) => {
    const out: Edit[] = [];
    for (const edit of [...list].reverse()) {
      left -= JSON.stringify(edit).length;
      if (left < 0) break;
      out.unshift(edit);
    }
    return out;
  };
  const done = newest(kept.done);
  return { done, undone: newest(kept.undone) };
}

/** Trash items an answer speaks of: {trash: id} or {trash: [ids]}. */
export const trashIn = (answer: unknown) => [(answer as { trash?: string | string[] } | null)?.trash ?? []].flat();
