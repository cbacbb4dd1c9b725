// Actions on their way: by which channel, to whom, at which try, and what went wrong.

import { KeyedList, Rows, bdi, make, panel, scroller, setData, setText } from '../dom.js';
import { clip, timeOf, words } from '../format.js';

const MOST = 100;

export function deliveries() {
  const known = new Rows(MOST, (action) => action.status !== 'retrying');
  const list = scroller('deliveries');
  const { element, tally } = panel('deliveries', 'Deliveries', 'No deliveries yet.', list);
  const rows = new KeyedList(list, makeRow, updateRow);

  return {
    kinds: ['action.delivered'],
    element,
    reset() {
      known.clear();
      rows.clear();
    },
    take(kind, data, at) {
      const before = known.get(data.actionId);
      // To the top at each try: what moves is what one looks for.
      known.delete(data.actionId);
      if (before) known.all -= 1;
      known.put({ ...data, key: data.actionId, version: (before?.version ?? 0) + 1, at, error: data.error ?? null, retries: retriesOf(before, data) });
    },
    draw() {
      const all = [...known.values()].reverse();
      rows.render(all);
      const retrying = all.filter((action) => action.status === 'retrying').length;
      setText(tally, [retrying && `${retrying} retrying`, known.bound()].filter(Boolean).join(' · '));
    },
  };
}

// How each try so far ended, as far as this page has seen them; the last five.
function retriesOf(before, { status, attempt }) {
  return [...(before?.retries ?? []), { status, attempt }].slice(-5);
}

function makeRow() {
  const row = { channel: make('span', 'channel'), target: bdi('', 'target'), tries: make('span', 'tries'), status: make('span', 'chip'), note: bdi('', 'note') };
  row.element = make('li', 'row delivery', make('div', 'line', row.channel, row.target, row.tries, row.status), row.note);
  return row;
}

function updateRow(row, item) {
  setText(row.channel, clip(words(item.channel), 20));
  setText(row.target, clip(String(item.target), 320));
  row.tries.hidden = item.retries.length < 2;
  row.tries.replaceChildren(...item.retries.map(({ status }) => {
    const dot = make('span', 'dot');
    dot.dataset.status = status;
    return dot;
  }));
  setData(row.status, 'status', item.status);
  setText(row.status, item.attempt > 1 || item.status === 'retrying' ? `${item.status} · try ${item.attempt}` : clip(String(item.status), 20));
  setData(row.note, 'tone', item.status === 'failed' ? 'bad' : '');
  setText(row.note, `${timeOf(item.at)}${item.error ? ` · ${clip(String(item.error.message), 300)}` : item.changeId ? '' : ' · no change, a digest'}`);
}
