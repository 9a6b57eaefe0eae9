// SPDX-License-Identifier: Apache-2.0
// node read.mjs ROOTS.pem FILE...
// What an independent reader says: one JSON line per file
// {file, state, failures: [codes], checks: {name: "ok" | what is wrong}, rubric: {kept, of, broken}}.
// LIKENESS_RUBRIC=FILE.yml: what one of the conformance program's own rubrics says is in `official` (rubric.mjs).
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dirname, extname, join } from 'node:path';
import { conformance, rubric } from './conformance.mjs';

const official = process.env.LIKENESS_RUBRIC
  ? await (await import('./rubric.mjs')).officialRubric(process.env.LIKENESS_RUBRIC) : null;
const here = dirname(fileURLToPath(import.meta.url));
const packageFolder = join(here, '../../.cache/oracle/0.13.3/package/pkg');
const { initSync, WasmReader } = await import(join(packageFolder, 'c2pa.js'));
initSync({ module: readFileSync(join(packageFolder, 'c2pa_bg.wasm')) });

const types = { '.mp4': 'video/mp4', '.m4a': 'audio/mp4', '.mov': 'video/quicktime', '.png': 'image/png',
  '.jpg': 'image/jpeg', '.tiff': 'image/tiff', '.wav': 'audio/wav' };
const [roots, ...files] = process.argv.slice(2);
const settings = JSON.stringify({
  verify: { remote_manifest_fetch: false, ocsp_fetch: false },
  trust: { anchors: [{ trust_anchors: readFileSync(roots, 'utf8'), trust_uri: 'urn:test:roots', trust_kind: 'manifest' }] },
});
for (const file of files) {
  const out = { file, state: 'none', failures: [], checks: {} };
  try {
    const reader = await WasmReader.fromBytes(types[extname(file)], new Uint8Array(readFileSync(file)), settings);
    const store = JSON.parse(reader.json());
    out.state = store.validation_state;
    out.failures = (store.validation_results?.activeManifest?.failure ?? []).map((f) => f.code);
    out.checks = conformance(JSON.parse(reader.crJson()));
    out.rubric = rubric(out.checks);
    if (official) out.official = official(JSON.parse(reader.crJson()));
    if (process.env.CRJSON) out.crjson = JSON.parse(reader.crJson());
    reader.free();
  } catch (error) {
    out.state = 'error';
    out.failures = [String(error?.message ?? error)];
  }
  console.log(JSON.stringify(out));
}
