// What a JSON Schema (2020-12) says of a value, as far as a page needs it to show one or to ask for one. Nothing here touches the page.
// The law of this module: a schema is anyone's. What is not understood is called "value" and shown as JSON; nothing here follows a reference
// out of the document, or for ever.

import { humanised } from './format.js';

const DEEPEST = 16;

// Follows `$ref` and an "anything or null"; what stands beside a reference wins over what it refers to.
export function resolve(schema, root, depth = DEEPEST) {
  if (typeof schema !== 'object' || schema === null) return {};
  if (depth === 0) return schema;
  if (typeof schema.$ref === 'string') {
    const { $ref, ...beside } = schema;
    return { ...resolve(lookUp($ref, root), root, depth - 1), ...beside };
  }
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== 'null');
    return types.length === 1 && types.length < schema.type.length ? { ...schema, type: types[0], nullable: true } : schema;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) {
    const real = choices.filter((choice) => choice?.type !== 'null');
    if (real.length === 1 && real.length < choices.length) {
      const { anyOf, oneOf, ...beside } = schema;
      return { ...resolve(real[0], root, depth - 1), ...beside, nullable: true };
    }
  }
  if (Array.isArray(schema.allOf) && schema.allOf.length === 1 && schema.allOf[0]?.$ref) {
    const { allOf, ...beside } = schema;
    return { ...resolve(allOf[0], root, depth - 1), ...beside };
  }
  return schema;
}

function lookUp(reference, root) {
  if (reference === '#') return root;
  if (!reference.startsWith('#/')) return {};
  let found = root;
  for (const part of reference.slice(2).split('/')) {
    const key = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return {};
    found = found[key];
  }
  return found;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a sign that stands for itself
  }
}

// The fields of an object in the schema's order.
export function fieldsOf(schema, root) {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, field]) => ({ name, schema: resolve(field, root), required: required.has(name) }));
}

export const titleOf = (name, schema) => (typeof schema?.title === 'string' && schema.type !== 'object' ? schema.title : humanised(name));

// What it takes, in words.
export function typeOf(schema, root, depth = 3) {
  const or = schema.nullable ? ', or null' : '';
  if (schema.const !== undefined) return `always ${JSON.stringify(schema.const)}`;
  if (Array.isArray(schema.enum)) return `one of ${schema.enum.map((each) => (typeof each === 'string' ? each : JSON.stringify(each))).join(', ')}${or}`;
  const range = rangeOf(schema);
  switch (schema.type) {
    case 'string': return `${schema.format === 'date-time' ? 'time' : schema.format === 'uri' ? 'URL' : 'text'}${lengthOf(schema)}${or}`;
    case 'integer': return `whole number${range}${or}`;
    case 'number': return `number${range}${or}`;
    case 'boolean': return `true or false${or}`;
    case 'array': return depth ? `list of ${typeOf(resolve(schema.items, root), root, depth - 1)}${or}` : `list${or}`;
    case 'object': return `object${or}`;
    default: return `value${or}`;
  }
}

function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  const parts = [];
  if (minimum !== undefined) parts.push(`from ${minimum}`);
  if (exclusiveMinimum !== undefined) parts.push(`above ${exclusiveMinimum}`);
  if (maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER) parts.push(`to ${maximum}`);
  if (exclusiveMaximum !== undefined) parts.push(`below ${exclusiveMaximum}`);
  return parts.length ? `, ${parts.join(' ')}` : '';
}

function lengthOf({ maxLength, format }) {
  return maxLength === undefined || format === 'date-time' ? '' : `, at most ${maxLength} characters`;
}
