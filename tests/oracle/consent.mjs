// SPDX-License-Identifier: Apache-2.0
// node consent.mjs RECORD.json...
// Checks the proofs of a consent record by the W3C text of eddsa-jcs-2022, with code that is not ours:
// {file, canonical_sha256, proofs: [{signer, holds}]}, one line each.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(here, '../../.cache/oracle/consent/index.js'));
const load = async (name) => import(pathToFileURL(require.resolve(name)));
const ed = await load('@noble/ed25519');
const canonicalizeModule = await load('canonicalize');
const canonicalize = canonicalizeModule.default ?? canonicalizeModule.canonicalize;
const sha256 = (text) => createHash('sha256').update(text, 'utf8').digest();

const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
function base58(text) {
  let value = 0n;
  for (const c of text) value = value * 58n + BigInt(alphabet.indexOf(c));
  const bytes = [];
  for (; value > 0n; value >>= 8n) bytes.unshift(Number(value & 255n));
  for (const c of text) {
    if (c !== '1') break;
    bytes.unshift(0);
  }
  return Uint8Array.from(bytes);
}

for (const file of process.argv.slice(2)) {
  let document = JSON.parse(readFileSync(file, 'utf8'));
  if (document.record) document = document.record;
  const { proof, ...unsecured } = document;
  const out = { file, canonical_sha256: sha256(canonicalize(document)).toString('hex'), proofs: [] };
  for (const p of proof) {
    const { proofValue, ...options } = p;
    const signer = p.verificationMethod.split('#')[0];
    const key = base58(signer.slice('did:key:z'.length));
    const hash = Buffer.concat([sha256(canonicalize(options)), sha256(canonicalize(unsecured))]);
    const holds = p.cryptosuite === 'eddsa-jcs-2022' && key[0] === 0xed && key[1] === 0x01 &&
      await ed.verifyAsync(base58(proofValue.slice(1)), hash, key.slice(2));
    out.proofs.push({ signer, holds });
  }
  console.log(JSON.stringify(out));
}
