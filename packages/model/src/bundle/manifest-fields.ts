/**
 * Reading a manifest: each reader takes one field of a parsed JSON object and says by its path, such
 * as `fusion.modalities.0.weight`, what is wrong with it.
 */

/** A JSON object and where it stands in the manifest. */
export interface Fields {
  /** Empty for the manifest itself. */
  readonly path: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** @throws TypeError where the value is no JSON object */
export function fieldsFrom(value: unknown, path: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${path || "manifest"}: expected an object`);
  }
  return { path, values: value as Record<string, unknown> };
}

/** Refuses fields that nobody reads: a misspelt one would otherwise be lost without a word.
 * @throws RangeError that names the first of them */
export function allowOnly(fields: Fields, names: readonly string[]): Fields {
  for (const name of Object.keys(fields.values)) {
    if (!names.includes(name)) throw new RangeError(`${pathOf(fields, name)}: unknown field`);
  }
  return fields;
}

export function pathOf(fields: Fields, name: string): string {
  return fields.path === "" ? name : `${fields.path}.${name}`;
}

export function hasField(fields: Fields, name: string): boolean {
  return Object.hasOwn(fields.values, name);
}

export function valueOf(fields: Fields, name: string): unknown {
  return hasField(fields, name) ? fields.values[name] : undefined;
}

export function objectOf(fields: Fields, name: string, names?: readonly string[]): Fields {
  const object = fieldsFrom(valueOf(fields, name), pathOf(fields, name));
  return names === undefined ? object : allowOnly(object, names);
}

/** @throws TypeError where the field is no list of objects */
export function listOf(fields: Fields, name: string): Fields[] {
  const value = valueOf(fields, name);
  const path = pathOf(fields, name);
  if (!Array.isArray(value)) throw new TypeError(`${path}: expected a list`);
  return value.map((item, i) => fieldsFrom(item, `${path}.${i}`));
}

/** A record whose keys are names such as modalities or actions, each value read by `read`. */
export function recordOf<Value>(
  fields: Fields,
  name: string,
  read: (record: Fields, key: string) => Value,
): Record<string, Value> {
  const record = objectOf(fields, name);
  return Object.fromEntries(Object.keys(record.values).map((key) => [key, read(record, key)]));
}

/** @throws TypeError where the field is no string, RangeError where it does not match */
export function textOf(fields: Fields, name: string, pattern: RegExp): string {
  const value = valueOf(fields, name);
  if (typeof value !== "string") throw new TypeError(`${pathOf(fields, name)}: expected a string`);
  if (!pattern.test(value)) {
    throw new RangeError(`${pathOf(fields, name)}: ${JSON.stringify(value)} is not ${pattern}`);
  }
  return value;
}

/** @throws RangeError where the field is none of the choices */
export function choiceOf<const Choice extends string | number>(
  fields: Fields,
  name: string,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === valueOf(fields, name));
  if (found !== undefined) return found;
  throw new RangeError(`${pathOf(fields, name)}: expected one of ${choices.join(", ")}`);
}

/** @throws TypeError where the field is neither true nor false */
export function booleanOf(fields: Fields, name: string): boolean {
  const value = valueOf(fields, name);
  if (typeof value === "boolean") return value;
  throw new TypeError(`${pathOf(fields, name)}: expected true or false`);
}

/** @throws TypeError where the field is no finite number */
export function numberOf(fields: Fields, name: string): number {
  const value = valueOf(fields, name);
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new TypeError(`${pathOf(fields, name)}: expected a number`);
}

/** @throws TypeError where the field is no number, RangeError where it is not in [0, 1] */
export function shareOf(fields: Fields, name: string): number {
  const value = numberOf(fields, name);
  if (value >= 0 && value <= 1) return value;
  throw new RangeError(`${pathOf(fields, name)}: expected 0 to 1, got ${value}`);
}

/** @throws TypeError where the field is no number, RangeError where it is not above 0 */
export function positiveOf(fields: Fields, name: string): number {
  const value = numberOf(fields, name);
  if (value > 0) return value;
  throw new RangeError(`${pathOf(fields, name)}: expected a number above 0, got ${value}`);
}

/** The field under its own name, or nothing where it is absent. */
export function optional<const Name extends string, Value>(
  fields: Fields,
  name: Name,
  read: (fields: Fields, name: Name) => Value,
): { readonly [key in Name]?: Value } {
  return hasField(fields, name)
    ? ({ [name]: read(fields, name) } as { readonly [key in Name]?: Value })
    : {};
}
