// Kinds that no view here knows, anyone's plugin: shown by what the catalogue says of them.

import { KeyedList, Rows, announce, bdi, make, panel, scroller, setText } from '../dom.js';
import { clip, number, timeOf } from '../format.js';
import { fieldsOf, titleOf } from '../schema.js';
import { entriesOf, valueElement } from '../value.js';

const MOST = 60;
const MOST_SHOWN = 4;

// `kindOf(name)` gives a kind of the catalogue, where it is known.
export function others(kindOf) {
  const known = new Rows(MOST);
  const list = scroller('others');
  const { element, tally } = panel('others', 'Other kinds', 'Nothing of other kinds yet.', list);
  element.hidden = true;
  let count = 0;
  const rows = new KeyedList(list, (item) => makeRow(item, kindOf(item.kind)), () => {});

  return {
    element,
    // Shown from the beginning where such a kind is installed, so that the first one moves nothing.
    expect: (some) => {
      element.hidden = !some;
    },
    reset() {
      known.clear();
      rows.clear();
    },
    take(kind, data, at, live) {
      count += 1;
      known.put({ key: count, version: 0, kind, data, at, fresh: live });
    },
    draw() {
      if (known.size) element.hidden = false;
      rows.render([...known.values()].reverse());
      setText(tally, known.bound() || (known.all ? number(known.all) : ''));
    },
  };
}

function makeRow({ kind, data, at, fresh }, described) {
  const schema = described?.schema ?? {};
  const summary = make('summary', 'head', make('time', '', timeOf(at)), bdi(clip(described?.title ?? kind, 80), 'title'), gist(data, schema));
  const body = make('div', 'body');
  const details = make('details', '', summary, body);
  details.addEventListener('toggle', () => {
    if (!details.open || body.firstChild) return;
    body.append(make('p', 'who', make('code', '', kind), described?.description ? ` ${described.description}` : ''), valueElement(data, schema, schema));
  });
  const row = { element: make('li', 'row other', details) };
  announce(row.element, fresh);
  return row;
}

// The first few plain values, each with its title.
function gist(data, schema) {
  const line = make('span', 'gist');
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    line.append(bdi(clip(JSON.stringify(data) ?? '', 120)));
    return line;
  }
  const plain = entriesOf(data, schema.properties ? schema : { properties: {} }, schema).filter(({ name }) => typeof data[name] !== 'object');
  const wanted = new Set(fieldsOf(schema, schema).filter((field) => field.required).map(({ name }) => name));
  plain.sort((one, other) => wanted.has(other.name) - wanted.has(one.name));
  for (const { name, schema: field } of plain.slice(0, MOST_SHOWN)) {
    line.append(make('span', 'pair', make('span', 'key', bdi(clip(titleOf(name, field), 40))), ' ', bdi(clip(String(data[name]), 80))));
  }
  return line;
}
