// SPDX-License-Identifier: Apache-2.0
// Runs the unit tests for ctest; 77 = skipped, because the packages of web/ are not installed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modules = [process.env.LIKENESS_WEB_MODULES, join(here, '../node_modules')].find((m) => m && existsSync(join(m, 'vite')));
if (!modules) {
  console.log('SKIPPED: the packages of web/ are not installed');
  process.exit(77);
}
const done = spawnSync(process.execPath, ['--test', join(here, 'lib.test.mjs')], { stdio: 'inherit', env: { ...process.env, LIKENESS_WEB_MODULES: modules } });
process.exit(done.status ?? 1);
