// A form made of a JSON Schema: what it asks for, what was entered, and where an error points.
// The law of this module: it judges nothing. What somebody enters is sent as it stands, and what the server says of it stands beside the field.

import { button, clipped, make } from './dom.js';
import { fieldsOf, resolve, titleOf, typeOf } from './schema.js';

const LONG = 500;
const DEEPEST = 6;
let numbered = 0;

// A field that holds one value. `read(text)` gives what is sent for what was entered.
class Field {
  constructor(pointer, title, hint, required, control, read, write) {
    this.pointer = pointer;
    this.title = title;
    this.required = required;
    this.control = control;
    this.read = () => read(control.value);
    this.write = write;
    const id = `field-${(numbered += 1)}`;
    control.id = id;
    const label = make('label', '', title);
    label.htmlFor = id;
    if (!required) label.append(make('span', 'key', ' optional'));
    const told = make('span', 'hint', hint);
    told.id = `${id}-hint`;
    this.error = make('span', 'error');
    this.error.id = `${id}-error`;
    this.error.hidden = true;
    control.setAttribute('aria-describedby', `${told.id} ${this.error.id}`);
    if (required) control.setAttribute('aria-required', 'true');
    this.element = make('div', 'field', label, control, told, this.error);
    this.element.dataset.pointer = pointer;
  }

  get filled() {
    return this.control.value !== '';
  }

  fields() {
    return [this];
  }

  mark(message) {
    this.error.replaceChildren(...(message ? [clipped(message, 400)] : []));
    this.error.hidden = !message;
    if (message) this.control.setAttribute('aria-invalid', 'true');
    else this.control.removeAttribute('aria-invalid');
  }
}

// An object: its fields in a frame of their own.
class Group {
  constructor(pointer, title, hint, required, children, framed) {
    this.pointer = pointer;
    this.required = required;
    this.children = children;
    const parts = children.map(({ part }) => part.element);
    this.element = framed ? make('fieldset', 'group', make('legend', '', title, ...(required ? [] : [make('span', 'key', ' optional')])), ...(hint ? [make('p', 'hint', hint)] : []), ...parts) : make('div', '', ...parts);
  }

  get filled() {
    return this.children.some(({ part }) => part.filled);
  }

  read() {
    if (!this.required && !this.filled) return undefined;
    const entries = this.children.map(({ name, part }) => [name, part.read()]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  write(value) {
    for (const { name, part } of this.children) part.write(Object.hasOwn(value ?? {}, name) ? value[name] : undefined);
  }

  fields() {
    return this.children.flatMap(({ part }) => part.fields());
  }
}

// `around` are the objects that this one stands in: one that holds its like is asked for as JSON from there on.
export function formOf(schema, root, pointer = '', title = '', required = true, around = []) {
  const known = resolve(schema, root);
  const hint = known.description ?? '';
  if (known.type === 'object' && known.properties && around.length < DEEPEST && !around.includes(known.properties) && !known.nullable) {
    const children = fieldsOf(known, root).map((field) => ({
      name: field.name,
      part: formOf(field.schema, root, `${pointer}/${field.name.replaceAll('~', '~0').replaceAll('/', '~1')}`, titleOf(field.name, field.schema), field.required, [...around, known.properties]),
    }));
    return new Group(pointer, title, hint, required, children, around.length > 0);
  }
  return fieldOf(known, root, pointer, title, hint, required);
}

function fieldOf(schema, root, pointer, title, hint, required) {
  const takes = typeOf(schema, root);
  const words = [hint, schema.enum ? '' : `${takes.charAt(0).toUpperCase()}${takes.slice(1)}.`].filter(Boolean).join(' ');
  const field = (control, read, write = (value) => (control.value = value === undefined ? '' : String(value))) =>
    new Field(pointer, title, words, required, control, nothingIf(schema, required, read), write);
  const choices = schema.const !== undefined ? [schema.const] : schema.enum ?? (schema.type === 'boolean' ? [true, false] : null);
  if (Array.isArray(choices)) {
    const texts = choices.map((choice) => (typeof choice === 'string' ? choice : JSON.stringify(choice)));
    const control = make('select', '', ...['', ...texts].map((text) => {
      const option = make('option', '', text || (required ? 'Choose' : 'Left out'));
      option.value = text;
      return option;
    }));
    return field(control, (text) => choices[texts.indexOf(text)], (value) => (control.value = value === undefined ? '' : texts[choices.indexOf(value)] ?? ''));
  }
  if (schema.type === 'integer' || schema.type === 'number') return field(input('decimal'), (text) => numberOf(text.trim(), schema));
  if (schema.type === 'array' && ['string', 'integer', 'number'].includes(resolve(schema.items, root).type)) {
    const items = resolve(schema.items, root);
    const control = area(3);
    const read = (text) => text.split('\n').filter(Boolean).map((line) => (items.type === 'string' ? line : numberOf(line.trim(), items)));
    const made = field(control, read, (value) => (control.value = Array.isArray(value) ? value.join('\n') : ''));
    if (required) made.read = () => read(control.value);
    made.element.querySelector('.hint').append(' One a line.');
    return made;
  }
  if (schema.type === 'string') {
    const control = schema.maxLength > LONG ? area(2) : input('text');
    const made = field(control, (text) => text);
    if (schema.format === 'date-time') made.element.insertBefore(button('Now', () => {
      control.value = new Date().toISOString();
      control.dispatchEvent(new Event('input', { bubbles: true }));
    }, 'small'), control.nextSibling);
    return made;
  }
  const control = area(4);
  control.className = 'code';
  return field(control, jsonOf, (value) => (control.value = value === undefined ? '' : JSON.stringify(value, null, 2)));
}

// An empty field is left out, but for a text that must be there: that is an empty text. `null` is null where that is allowed.
function nothingIf(schema, required, read) {
  return (text) => {
    if (schema.nullable && text.trim() === 'null') return null;
    if (text === '' && !(required && schema.type === 'string' && !schema.enum && schema.const === undefined)) return undefined;
    return read(text);
  };
}

// What is no number goes out as the text that it is: the server says so, beside the field.
const numberOf = (text, schema) => (schema.nullable && text === 'null' ? null : /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : text);

function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function input(mode) {
  const control = make('input');
  control.inputMode = mode;
  control.autocomplete = 'off';
  control.spellcheck = false;
  return control;
}

function area(rows) {
  const control = make('textarea');
  control.rows = rows;
  return control;
}
