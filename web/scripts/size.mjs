// SPDX-License-Identifier: Apache-2.0
// Prints the size of web/dist and fails when all of it, gzipped, is over the limit.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const kLimitKb = 150;
const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist');
let total = 0;

function* filesOf(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) yield* filesOf(join(folder, entry.name));
    else yield join(folder, entry.name);
  }
}

for (const path of filesOf(dist)) {
  const bytes = readFileSync(path);
  const packed = gzipSync(bytes, { level: 9 }).length;
  total += packed;
  console.log(`${(bytes.length / 1024).toFixed(1).padStart(8)} KB ${(packed / 1024).toFixed(1).padStart(7)} KB gzipped  ${path.slice(dist.length + 1)}`);
}
console.log(`bundle: ${(total / 1024).toFixed(1)} KB gzipped of ${kLimitKb} KB`);
if (total > kLimitKb * 1024) {
  console.error(`error: the bundle is over ${kLimitKb} KB gzipped`);
  process.exit(1);
}
