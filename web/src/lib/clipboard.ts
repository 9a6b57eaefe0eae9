// SPDX-License-Identifier: Apache-2.0
import { toasts } from './toast.svelte';

/** Copies and says so. Where the browser forbids it the text is shown to be copied by hand. */
export async function copyText(text: string, said = 'the text'): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toasts.note(`Copied: ${said.length > 160 ? `${said.slice(0, 160)}…` : said}`);
  } catch {
    toasts.show({ kind: 'note', text, hint: 'The browser did not allow copying: select the text above.' }, 30);
  }
}
