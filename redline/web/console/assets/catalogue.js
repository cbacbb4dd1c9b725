// The kinds that are installed, and the page that shows what each of them is.

import { byId, button, clipped, copyButton, make, setText } from './dom.js';
import { number } from './format.js';
import { fieldsOf, resolve, titleOf, typeOf } from './schema.js';

const DEEPEST = 4;

// Gives all kinds by name; an empty map where they cannot be had now.
export async function installedKinds() {
  try {
    const response = await fetch(new URL('v1/kinds', document.baseURI), { cache: 'no-store', credentials: 'same-origin' });
    const { kinds } = await response.json();
    return new Map(kinds.map((kind) => [kind.name, kind]));
  } catch {
    return new Map();
  }
}

// `tryOut(name)` takes a kind over to the form that publishes.
export class Catalogue {
  #kinds = new Map();
  #chosen = '';
  #tryOut;

  constructor(tryOut) {
    this.#tryOut = tryOut;
  }

  show(kinds) {
    this.#kinds = kinds;
    byId('kind-empty').hidden = kinds.size > 0;
    setText(byId('kind-empty'), 'No kinds are installed, or the server could not be asked. A plugin brings kinds; a reload asks again.');
    byId('kind-list').replaceChildren(
      ...[...kinds.values()].map((kind) => {
        const item = button('', () => this.#choose(kind.name));
        item.append(make('strong', '', kind.title || kind.name), make('code', '', kind.name));
        item.dataset.kind = kind.name;
        return make('li', '', item);
      }),
    );
    if (kinds.size) this.#choose(kinds.has(this.#chosen) ? this.#chosen : kinds.keys().next().value);
    else byId('kind-page').replaceChildren();
  }

  #choose(name) {
    this.#chosen = name;
    for (const item of byId('kind-list').querySelectorAll('button')) {
      if (item.dataset.kind === name) item.setAttribute('aria-current', 'true');
      else item.removeAttribute('aria-current');
    }
    byId('kind-page').replaceChildren(...pageOf(this.#kinds.get(name), () => this.#tryOut(name)));
  }
}

function pageOf(kind, tryOut) {
  const from = kind.distribution ? `${kind.distribution} ${kind.distributionVersion ?? ''}`.trim() : 'a plugin without a name';
  const facts = make('dl', 'facts');
  for (const [label, value] of [['Version', kind.version], ['From', from], ['Scope to see it', kind.scope], ['Largest payload', `${number(kind.maxBytes)} bytes`]]) {
    if (value !== undefined && value !== null && value !== '') facts.append(make('div', '', make('dt', '', label), make('dd', '', String(value))));
  }
  return [
    make('h3', '', kind.title || kind.name),
    make('p', 'lede', make('code', '', kind.name), kind.description ?? ''),
    make('div', 'buttons', button('Publish one', tryOut)),
    facts,
    make('h4', '', 'Fields'),
    tableOf(kind.schema ?? {}),
    ...(kind.example ? [make('h4', '', 'Example'), code(kind.example, 'Copy the example')] : []),
    make('details', 'schema', make('summary', '', 'JSON Schema'), code(kind.schema, 'Copy the schema')),
  ];
}

function code(value, label) {
  const text = JSON.stringify(value, null, 2);
  const shown = make('pre', '', clipped(text, 20_000));
  shown.tabIndex = 0;
  shown.setAttribute('role', 'group');
  shown.setAttribute('aria-label', label.replace('Copy the ', ''));
  return make('div', 'code', copyButton(label, () => text, () => shown), shown);
}

function tableOf(schema) {
  const rows = [];
  const walk = (part, prefix, around) => {
    for (const { name, schema: field, required } of fieldsOf(part, schema)) {
      const path = prefix + name;
      const cells = [make('td', '', typeOf(field, schema)), make('td', 'key', required ? 'required' : 'optional'), make('td', '', field.description ?? '')];
      const head = make('th', '', make('code', '', path), make('span', 'key', titleOf(name, field)));
      head.scope = 'row';
      rows.push(make('tr', '', head, ...cells));
      const inner = [...around, part.properties];
      if (field.type === 'object' && inner.length <= DEEPEST && !inner.includes(field.properties)) walk(field, `${path}.`, inner);
    }
  };
  walk(resolve(schema, schema), '', []);
  if (!rows.length) return make('p', 'who', 'The schema names no fields: any JSON that the kind accepts.');
  const heads = ['Field', 'Takes', '', 'Means'].map((text) => {
    const head = make(text ? 'th' : 'td', '', text);
    if (text) head.scope = 'col';
    return head;
  });
  const box = make('div', 'table', make('table', '', make('thead', '', make('tr', '', ...heads)), make('tbody', '', ...rows)));
  box.tabIndex = 0;
  box.setAttribute('role', 'group');
  box.setAttribute('aria-label', 'Fields');
  return box;
}
