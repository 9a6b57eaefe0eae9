// SPDX-License-Identifier: Apache-2.0
// Keys that the user has changed: what an action is called in the list of keys -> the key it has now.
// Kept in the browser. Everything here is pure but load() and save().

export interface Bound {
  keys: string[];
  label: string;
}
export interface BoundGroup<K extends Bound = Bound> {
  title: string;
  keys: K[];
}
export type KeyMap = Record<string, string>;

const kStore = 'likeness.keys';
/** `?` must always lead to the list, Escape out of everything. */
export const kFixed = ['?', 'Escape'];

export const idOf = (title: string, key: Bound): string => `${title}/${key.label}`;
export const changeable = (key: Bound): boolean => !key.keys.some((k) => kFixed.includes(k));

/** The keys of an action as they are now. */
export function keysOf(map: KeyMap, title: string, key: Bound): string[] {
  const own = map[idOf(title, key)];
  return own !== undefined && changeable(key) ? [own] : key.keys;
}

/** The newest registration wins; of one group, what the user has chosen before what was there. */
export function findKey<K extends Bound>(map: KeyMap, groups: BoundGroup<K>[], name: string): K | undefined {
  for (const { title, keys } of [...groups].reverse()) {
    const key = keys.find((k) => map[idOf(title, k)] !== undefined && keysOf(map, title, k).includes(name)) ?? keys.find((k) => keysOf(map, title, k).includes(name));
    if (key) return key;
  }
  return undefined;
}

/** Another action that has this key among those that are shown, or why it cannot be given away. */
export function conflict(map: KeyMap, groups: BoundGroup[], id: string, name: string): string | undefined {
  if (kFixed.includes(name)) return 'is always the same';
  for (const { title, keys } of groups)
    for (const k of keys) if (idOf(title, k) !== id && keysOf(map, title, k).includes(name)) return `is “${k.label}”`;
  return undefined;
}

/** What was stored; anything that is not such a map gives an empty one. */
export function parse(text: string | null): KeyMap {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
    return Object.fromEntries(Object.entries(value).filter((e): e is [string, string] => typeof e[1] === 'string' && e[1] !== '' && !kFixed.includes(e[1])));
  } catch {
    return {};
  }
}

export function load(): KeyMap {
  try {
    return parse(localStorage.getItem(kStore));
  } catch {
    return {};
  }
}
export function save(map: KeyMap): void {
  try {
    if (Object.keys(map).length === 0) localStorage.removeItem(kStore);
    else localStorage.setItem(kStore, JSON.stringify(map));
  } catch {
    // A browser that keeps nothing: the keys hold until the page is left.
  }
}
