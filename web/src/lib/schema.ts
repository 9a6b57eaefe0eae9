// SPDX-License-Identifier: Apache-2.0
// Forms from JSON Schema: which control a field gets, and what differs from the defaults. Nothing
// here knows the name of an option, so a new one appears by itself.
import type { JsonSchema, Values } from './types';

export type Control = 'switch' | 'select' | 'slider' | 'number' | 'text' | 'checks' | 'list';

export interface Field {
  name: string;
  schema: JsonSchema;
  control: Control;
  step: number;
  advanced: boolean;
}

const kSliderSpan = 100;

/** Of an enumeration, or of the members of a list. */
export const choicesOf = (schema: JsonSchema) => schema.items?.enum ?? schema.enum ?? [];

export function controlOf(schema: JsonSchema): Control {
  if (schema.type === 'boolean') return 'switch';
  if (schema.type === 'array') return choicesOf(schema).length > 0 ? 'checks' : 'list';
  if (schema.enum) return 'select';
  if (schema.type === 'integer' || schema.type === 'number') {
    const span = (schema.maximum ?? Infinity) - (schema.minimum ?? -Infinity);
    return span <= kSliderSpan ? 'slider' : 'number';
  }
  return 'text';
}

/** A round step, about a hundredth of the range. */
export function stepOf(schema: JsonSchema): number {
  if (schema.type === 'integer') return 1;
  const span = (schema.maximum ?? Infinity) - (schema.minimum ?? -Infinity);
  if (!Number.isFinite(span) || span <= 0) return 0.01;
  const raw = span / 100;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999) ?? power;
}

export function fieldsOf(schema: JsonSchema | undefined): Field[] {
  const entries = Object.entries(schema?.properties ?? {}).sort(([, a], [, b]) => (a.order ?? 0) - (b.order ?? 0));
  return entries.map(([name, s]) => ({
    name,
    schema: s,
    control: controlOf(s),
    step: stepOf(s),
    advanced: s.level === 'advanced',
  }));
}

export const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** The default of a field in a form that stands on `base` (a preset), else the schema's own. */
export function baseValue(field: Field, base: Values): unknown {
  return field.name in base ? base[field.name] : field.schema.default;
}

/** Brings a typed value into the field's type and range; `undefined` = not a value. */
export function coerce(schema: JsonSchema, value: unknown): unknown {
  if (schema.type === 'boolean') return Boolean(value);
  if (schema.type === 'integer' || schema.type === 'number') {
    const n = typeof value === 'number' ? value : parseFloat(String(value).replace(',', '.'));
    if (!Number.isFinite(n)) return undefined;
    const ranged = Math.min(Math.max(n, schema.minimum ?? -Infinity), schema.maximum ?? Infinity);
    return schema.type === 'integer' ? Math.round(ranged) : Number(ranged.toPrecision(12));
  }
  if (schema.type === 'array') return Array.isArray(value) ? value : String(value).split(',').map((s) => s.trim()).filter(Boolean);
  return String(value);
}

/** Values without those that equal the base: what is sent, shown as changed, and put on a command line. */
export function changed(fields: Field[], base: Values, values: Values): Values {
  return Object.fromEntries(
    fields.filter((f) => f.name in values && !same(values[f.name], baseValue(f, base))).map((f) => [f.name, values[f.name]]),
  );
}

/** The value after one step up or down; enumerations go round. */
export function stepped(field: Field, value: unknown, steps: number): unknown {
  const { schema } = field;
  if (field.control === 'switch') return !value;
  if (field.control === 'select' && schema.enum) {
    const at = schema.enum.indexOf(value as string);
    return schema.enum[(at + Math.sign(steps) + schema.enum.length) % schema.enum.length];
  }
  if (schema.type === 'integer' || schema.type === 'number') return coerce(schema, Number(value) + steps * field.step);
  return value;
}
