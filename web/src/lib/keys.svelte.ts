// SPDX-License-Identifier: Apache-2.0
// The key map. A component registers the keys it answers to while it is shown; `?` lists them.
// A key is written as in "l", "Shift+ArrowLeft", "Ctrl+z", " ". The newest registration wins.
// The user may change them in that list (keymap.ts).
import { findKey, keysOf, load, save, type KeyMap } from './keymap';

export interface Key {
  keys: string[];
  label: string;
  run: (event: KeyboardEvent) => void;
  /** Called when the key is let go (hold to compare). */
  up?: () => void;
}

export interface KeyGroup {
  title: string;
  keys: Key[];
}

class Keys {
  groups = $state.raw<KeyGroup[]>([]);
  map = $state.raw<KeyMap>(load());

  /** The keys of an action as they are now. */
  now(title: string, key: Key): string[] {
    return keysOf(this.map, title, key);
  }

  /** Gives an action another key; without `name` its own again. */
  change(id: string, name?: string): void {
    const { [id]: _, ...others } = this.map;
    this.map = name === undefined ? others : { ...others, [id]: name };
    save(this.map);
  }
  reset(): void {
    this.map = {};
    save(this.map);
  }

  /** For `$effect(() => keys.use('Player', […]))`: registers, and gives the function that unregisters. */
  use(title: string, keys: Key[]): () => void {
    const group = { title, keys };
    // Not read reactively: the effect that registers must not run again because of it.
    queueMicrotask(() => (this.groups = [...this.groups, group]));
    return () => queueMicrotask(() => (this.groups = this.groups.filter((g) => g !== group)));
  }

  find(event: KeyboardEvent): Key | undefined {
    return findKey(this.map, this.groups, nameOf(event));
  }
}

export function nameOf(event: KeyboardEvent): string {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const letter = /^[a-z]$/.test(key) || event.key.length > 1 || key === ' ';
  return `${event.ctrlKey || event.metaKey ? 'Ctrl+' : ''}${event.altKey ? 'Alt+' : ''}${event.shiftKey && letter ? 'Shift+' : ''}${key}`;
}

const kNames: Record<string, string> = { ' ': 'Space', ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', Escape: 'Esc', Delete: 'Del' };
/** "Shift+ArrowLeft" -> ["Shift", "←"], for <kbd>. */
export function caps(key: string): string[] {
  if (key === '+' || key.endsWith('++')) return [...key.slice(0, -1).split('+').filter(Boolean), '+'];
  return key.split('+').map((k) => kNames[k] ?? (k.length === 1 ? k.toUpperCase() : k));
}

/** Where a letter is text and not a command. */
function takesText(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLTextAreaElement || target.isContentEditable) return true;
  return target instanceof HTMLInputElement && !['checkbox', 'radio', 'range', 'button', 'file'].includes(target.type);
}

/** Keys that a focused control needs for itself. */
function belongsToControl(event: KeyboardEvent): boolean {
  const t = event.target;
  if (!(t instanceof HTMLElement)) return false;
  if (event.key === ' ' || event.key === 'Enter') return t.matches('button, a, select, summary, input[type=checkbox], input[type=radio], video, [role=option], [role=tab]');
  if (event.key.startsWith('Arrow') || event.key === 'Home' || event.key === 'End' || event.key.startsWith('Page'))
    return t.matches('select, input[type=range], input[type=radio], video, [role=slider], [role=listbox], [role=option], [role=tab]');
  return t.matches('select') && event.key.length === 1 && !event.ctrlKey;
}

export const keys = new Keys();

const down = new Map<string, Key>();
addEventListener('keydown', (event) => {
  if (event.defaultPrevented || takesText(event.target) || belongsToControl(event)) return;
  if (document.querySelector('dialog[open]')) return;
  const key = keys.find(event);
  if (!key) return;
  event.preventDefault();
  if (key.up && event.repeat) return;
  down.set(event.code, key);
  key.run(event);
});
const release = (code: string) => {
  down.get(code)?.up?.();
  down.delete(code);
};
addEventListener('keyup', (event) => release(event.code));
addEventListener('blur', () => [...down.keys()].forEach(release));
