// A value as its schema describes it: titles, descriptions, values. This is how a kind is shown that no view here knows.
// The law of this module: it takes any JSON, of any depth and size, and makes a bounded number of elements of it.

import { bdi, clipped, make } from './dom.js';
import { dayOf, number, webAddress } from './format.js';
import { fieldsOf, resolve, titleOf } from './schema.js';

const DEEPEST = 5;
const MOST_FIELDS = 60;
const MOST_ITEMS = 30;

export function valueElement(value, schema, root, depth = 0) {
  const known = resolve(schema, root);
  if (value === null || value === undefined) return make('span', 'none', 'none');
  if (typeof value === 'object' && depth >= DEEPEST) return clipped(JSON.stringify(value), undefined, 'json');
  if (Array.isArray(value)) return listElement(value, known, root, depth);
  if (typeof value === 'object') return fieldsElement(value, known, root, depth);
  if (typeof value === 'boolean') return make('span', '', value ? 'yes' : 'no');
  if (typeof value === 'string') return textElement(value, known);
  return bdi(value);
}

function textElement(text, schema) {
  if (schema.format === 'date-time' && !Number.isNaN(Date.parse(text))) {
    const time = make('time', '', dayOf(text));
    time.dateTime = time.title = text;
    return time;
  }
  const address = schema.format === 'uri' && text.length < 2000 ? webAddress(text) : null;
  return address ? linkElement(text, address) : clipped(text);
}

export function linkElement(text, address) {
  const link = make('a', 'document', bdi(text));
  link.href = address.href;
  link.target = '_blank';
  link.rel = 'noopener noreferrer';
  return link;
}

function listElement(values, schema, root, depth) {
  if (!values.length) return make('span', 'none', 'none');
  const items = resolve(schema.items, root);
  const list = make('ul', values.every((value) => typeof value !== 'object') ? 'values flat' : 'values');
  list.append(...values.slice(0, MOST_ITEMS).map((value) => make('li', '', valueElement(value, items, root, depth + 1))));
  if (values.length > MOST_ITEMS) list.append(make('li', 'none', `and ${number(values.length - MOST_ITEMS)} more: the inspector has them`));
  return list;
}

// Fields in the schema's order, then those that it does not name.
export function entriesOf(value, schema, root) {
  const named = fieldsOf(schema, root).filter(({ name }) => Object.hasOwn(value, name));
  const known = new Set(named.map(({ name }) => name));
  const others = Object.keys(value).filter((name) => !known.has(name));
  return [...named, ...others.map((name) => ({ name, schema: {}, required: false }))];
}

function fieldsElement(value, schema, root, depth) {
  const entries = entriesOf(value, schema, root);
  if (!entries.length) return make('span', 'none', 'none');
  const list = make('dl', 'fields');
  for (const { name, schema: field } of entries.slice(0, MOST_FIELDS)) {
    const title = make('dt', '', bdi(titleOf(name, field)));
    if (field.description) title.append(make('small', '', field.description));
    list.append(make('div', '', title, make('dd', '', valueElement(value[name], field, root, depth + 1))));
  }
  if (entries.length > MOST_FIELDS) list.append(make('div', '', make('dt', '', `and ${number(entries.length - MOST_FIELDS)} more`), make('dd', '', 'The inspector has them.')));
  return list;
}
