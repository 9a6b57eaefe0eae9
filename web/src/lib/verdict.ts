// SPDX-License-Identifier: Apache-2.0
// What a verdict of `likeness verify` looks like.
import type { IconName } from '../components/Icon.svelte';

export function verdictLook(verdict: string): { kind: 'ok' | 'warn' | 'bad' | 'muted'; icon: IconName; title: string } {
  switch (verdict) {
    case 'synthetic-verified':
      return { kind: 'ok', icon: 'shield', title: 'Synthetic, verified' };
    case 'verified':
      return { kind: 'ok', icon: 'shield', title: 'Verified' };
    default: {
      const bad = /changed|tamper|invalid|revoked|broken|mismatch|damaged/.test(verdict);
      const words = verdict.replaceAll('-', ' ');
      return { kind: bad ? 'bad' : 'warn', icon: bad ? 'warning' : 'info', title: words.charAt(0).toUpperCase() + words.slice(1) };
    }
  }
}
