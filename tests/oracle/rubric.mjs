// SPDX-License-Identifier: Apache-2.0
// Evaluates crJSON with one of the conformance program's own asset rubrics (YAML: variables, named expressions and
// statements in json-formula), which is not part of this repository: c2pa-org/conformance-public, asset-rubrics/. The
// meaning of the fields is that of the evaluator beside them there. The language and the parser come from npm
// (tests/oracle/install-rubric).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const require = createRequire(join(dirname(fileURLToPath(import.meta.url)), '../../.cache/oracle/rubric/index.js'));
const load = async (name) => import(pathToFileURL(require.resolve(name)));

/// How many arguments a named expression takes: $args[N] in it means N + 1.
const arity = (text) => Math.max(0, ...[...text.matchAll(/\$args\[(\d+)\]/g)].map((m) => Number(m[1]) + 1));

/// A function from crJSON to {name, kept, of, broken: [ids], warned: [ids]}.
export async function officialRubric(file) {
  const { default: JsonFormula, dataTypes } = await load('@adobe/json-formula');
  const { parseAllDocuments } = await load('yaml');
  const documents = parseAllDocuments(readFileSync(file, 'utf8')).map((d) => {
    if (d.errors.length) throw d.errors[0];
    return d.toJS();
  });
  const [about, ...rest] = documents;
  const statements = rest.flat().filter((s) => s?.expression);
  if (!statements.length) throw new Error(`${file} has no statements`);
  const variables = { ...about.variables };
  const version = /spec(\d+\.\d+)/.exec(basename(file))?.[1];
  if (version) variables.$expected_spec_version = version;
  const expressions = Object.entries(about.expressions ?? {});
  const names = [...Object.keys(variables), '$args'];
  const compiler = new JsonFormula();
  const functions = Object.fromEntries(expressions.map(([name, text]) => {
    const ast = compiler.compile(text.trim(), names);
    return [name, {
      _signature: Array.from({ length: arity(text) }, () => ({ types: [dataTypes.TYPE_ANY] })),
      _func: (args, data, interpreter) => {
        const before = interpreter.globals.$args;
        interpreter.globals.$args = args;
        try {
          return interpreter.search(ast, data);
        } finally {
          interpreter.globals.$args = before;
        }
      },
    }];
  }));
  const engine = new JsonFormula(functions);
  return (report) => {
    const out = { name: about.rubric_metadata?.name ?? basename(file), kept: 0, of: statements.length, broken: [], warned: [] };
    for (const s of statements) {
      const value = engine.search(s.expression.trim(), report, { ...variables, $args: [] });
      const matched = Array.isArray(value) && value.length > 0;
      const holds = s.failIfMatched || s.warnIfMatched ? !matched
        : Array.isArray(value) ? matched : typeof value === 'number' ? value > 0 : Boolean(value);
      if (holds) out.kept += 1;
      else (s.warnIfMatched ? out.warned : out.broken).push(s.id);
    }
    return out;
  };
}
