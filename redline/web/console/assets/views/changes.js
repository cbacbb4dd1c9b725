// The feed of changes: how severe, what it says, who was told, and the states that people move it through.

import { KeyedList, Rows, announce, bdi, clipped, make, panel, scroller, setData, setText } from '../dom.js';
import { clip, timeOf, webAddress, words } from '../format.js';
import { linkElement } from '../value.js';

const MOST = 100;
const MOST_STEPS = 12;
const SETTLED = new Set(['resolved', 'dismissed']);

export function changes() {
  const known = new Rows(MOST);
  const list = scroller('changes');
  const { element, tally } = panel('changes', 'Changes', 'No changes yet. What a run finds appears here.', list);
  const rows = new KeyedList(list, makeRow, updateRow);
  const takers = {
    'change.detected'(data, live) {
      const before = known.get(data.changeId);
      known.put({ state: 'new', steps: [], told: new Map(), fresh: live, ...before, key: data.changeId, version: (before?.version ?? 0) + 1, detail: data });
    },
    'change.stateChanged'(data) {
      const change = known.get(data.changeId);
      if (!change) return;
      change.state = data.to;
      change.steps.push({ to: data.to, actor: data.actor?.id ?? '', reason: data.reason ?? '', at: data.changedAt });
      if (change.steps.length > MOST_STEPS) change.steps.shift();
      change.version += 1;
    },
    'action.delivered'(data) {
      const change = known.get(data.changeId);
      if (!change) return;
      change.told.set(data.channel, data.status);
      change.version += 1;
    },
  };

  return {
    kinds: Object.keys(takers),
    element,
    reset() {
      known.clear();
      rows.clear();
    },
    take: (kind, data, at, live) => takers[kind](data, live),
    draw() {
      const all = [...known.values()].reverse();
      rows.render(all);
      const open = all.filter((change) => !SETTLED.has(change.state)).length;
      setText(tally, [all.length && `${open} open`, known.bound()].filter(Boolean).join(' · '));
    },
  };
}

function makeRow(item) {
  const row = { severity: make('span', 'chip severity'), title: bdi('', 'title'), about: bdi('', 'about'), state: make('span', 'chip state'), body: make('div', 'body') };
  row.details = make('details', '', make('summary', 'head', row.severity, row.title, row.about, row.state), row.body);
  row.element = make('li', 'row change', row.details);
  row.item = item;
  row.course = make('ol', 'course');
  row.told = make('p', 'who');
  // The unfolded part is made when it is looked at: most never are.
  row.details.addEventListener('toggle', () => {
    if (!row.details.open) return;
    if (!row.body.firstChild) row.body.append(...bodyOf(row.item.detail), row.course, row.told);
    fillCourse(row);
  });
  announce(row.element, item.fresh);
  return row;
}

function updateRow(row, item) {
  const { detail } = item;
  const corrected = row.body.firstChild && row.item.detail !== detail;
  row.item = item;
  if (corrected) row.body.replaceChildren(...bodyOf(detail), row.course, row.told);
  setData(row.element, 'level', detail.severity);
  setData(row.severity, 'level', detail.severity);
  setText(row.severity, clip(String(detail.severity), 12));
  setText(row.title, clip(String(detail.title), 300));
  setText(row.about, `${timeOf(detail.detectedAt)} · ${clip(String(detail.vendorId), 128)} · ${clip(String(detail.category), 30)}`);
  setData(row.state, 'state', item.state);
  setText(row.state, clip(words(item.state), 20));
  if (row.details.open) fillCourse(row);
}

function bodyOf(detail) {
  const parts = [make('p', '', clipped(detail.summary))];
  if (detail.excerpt) {
    const quote = make('div', 'excerpt');
    if (detail.excerpt.before) quote.append(make('del', '', clipped(detail.excerpt.before)));
    if (detail.excerpt.after) quote.append(make('ins', '', clipped(detail.excerpt.after)));
    parts.push(quote);
  }
  const address = webAddress(detail.documentUrl);
  parts.push(make('p', '', address ? linkElement(clip(detail.documentUrl, 300), address) : clipped(detail.documentUrl)));
  return parts;
}

function fillCourse({ item, course, told }) {
  const steps = item.steps.map((step) => {
    const line = make('li', '', make('time', '', timeOf(step.at)), ` ${words(step.to)}`);
    if (step.actor) line.append(make('span', 'who', ' by ', bdi(clip(String(step.actor), 128))));
    if (step.reason) line.append(make('span', 'who', ' – ', clipped(step.reason, 200)));
    return line;
  });
  course.replaceChildren(make('li', '', make('time', '', timeOf(item.detail.detectedAt)), ' detected'), ...steps);
  setText(told, item.told.size ? `Told: ${[...item.told].map(([channel, status]) => `${words(channel)} (${status})`).join(', ')}` : '');
}
