// SPDX-License-Identifier: Apache-2.0
// One floating help text for whatever is pointed at or focused. Screen readers get the same text
// through aria-describedby of the control; Escape hides it.

let bubble: HTMLDivElement | null = null;
let timer = 0;

function show(target: HTMLElement, text: string) {
  if (!bubble) {
    bubble = document.createElement('div');
    bubble.className = 'tip';
    bubble.setAttribute('aria-hidden', 'true');
    document.body.append(bubble);
  }
  bubble.textContent = text;
  bubble.hidden = false;
  const at = target.getBoundingClientRect();
  const size = bubble.getBoundingClientRect();
  const left = at.left - size.width - 8 >= 8 ? at.left - size.width - 8 : Math.min(at.right + 8, innerWidth - size.width - 8);
  bubble.style.left = `${Math.max(8, left)}px`;
  bubble.style.top = `${Math.max(8, Math.min(at.top, innerHeight - size.height - 8))}px`;
}

function hide() {
  clearTimeout(timer);
  if (bubble) bubble.hidden = true;
}
addEventListener('keydown', (event) => event.key === 'Escape' && hide());

/** For `{@attach tip(text)}`. */
export const tip = (text: string) => (node: HTMLElement) => {
  if (!text) return;
  const soon = () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => show(node, text), 300);
  };
  const focused = () => node.querySelector(':focus-visible') && show(node, text);
  node.addEventListener('pointerenter', soon);
  node.addEventListener('pointerleave', hide);
  node.addEventListener('focusin', focused);
  node.addEventListener('focusout', hide);
  return () => {
    hide();
    node.removeEventListener('pointerenter', soon);
    node.removeEventListener('pointerleave', hide);
    node.removeEventListener('focusin', focused);
    node.removeEventListener('focusout', hide);
  };
};
