// How a run, a change, a delivery and an event look in their lists.
// The law of this module: everything that came over the stream is set as text.

import { make, setData, setText } from './dom.js';
import { timeOf, webAddress, words } from './format.js';
import { STAGES } from './model.js';

const FRESH_MILLISECONDS = 1600;

function chip(kind) {
  return make('span', `chip ${kind}`);
}

// Lets a row that came live stand out for a moment.
function announce(element, fresh) {
  if (!fresh) return;
  element.classList.add('fresh');
  setTimeout(() => element.classList.remove('fresh'), FRESH_MILLISECONDS);
}

function addStep(element, tag, text, className) {
  if (text) element.append(make(tag, className, text));
}

export const run = {
  make() {
    const row = { vendor: make('strong', 'name'), stage: make('span', 'stage'), note: make('p', 'note'), parts: [], attempt: chip('attempt'), found: chip('found') };
    const track = make('div', 'track');
    track.setAttribute('role', 'progressbar');
    track.setAttribute('aria-valuemin', '0');
    track.setAttribute('aria-valuemax', '100');
    for (const stage of STAGES) {
      const fill = make('span', 'fill');
      const part = make('span', 'part', fill);
      part.title = stage;
      track.append(part);
      row.parts.push({ part, fill });
    }
    row.track = track;
    row.element = make('li', 'row run', make('div', 'line', row.vendor, row.attempt, row.found, row.stage), track, row.note);
    return row;
  },
  update(row, item) {
    const failed = item.done && item.status === 'failed';
    setData(row.element, 'state', failed ? 'failed' : item.done ? 'done' : item.stage === 'queued' ? 'queued' : 'active');
    setText(row.vendor, item.vendor);
    setText(row.stage, failed ? 'gave up' : item.done ? 'completed' : item.stage);
    setText(row.note, item.note);
    setData(row.note, 'tone', item.status === 'failed' ? 'bad' : '');
    row.attempt.hidden = item.attempt < 2;
    setText(row.attempt, `try ${item.attempt}`);
    row.found.hidden = item.found === 0;
    setText(row.found, item.found === 1 ? '1 change' : `${item.found} changes`);
    item.parts.forEach(({ state, progress }, index) => {
      setData(row.parts[index].part, 'state', state);
      row.parts[index].fill.style.transform = `scaleX(${Math.min(1, Math.max(0, Number(progress) || 0))})`;
    });
    const share = item.done && !failed ? 1 : item.parts.reduce((sum, part) => sum + (part.state === 'skipped' ? 1 : part.progress), 0) / STAGES.length;
    row.track.setAttribute('aria-valuenow', String(Math.round(share * 100)));
    row.track.setAttribute('aria-label', `${item.vendor}: ${row.stage.textContent}`);
  },
};

export const change = {
  make(item) {
    const row = { severity: chip('severity'), title: make('strong', 'title'), about: make('span', 'about'), state: chip('state'), body: make('div', 'body') };
    const summary = make('summary', 'head', row.severity, row.title, row.about, row.state);
    row.details = make('details', '', summary, row.body);
    row.element = make('li', 'row change', row.details);
    row.item = item;
    row.details.addEventListener('toggle', () => {
      if (row.details.open) fillChange(row);
    });
    announce(row.element, item.fresh);
    return row;
  },
  update(row, item) {
    const { detail } = item;
    row.item = item;
    setData(row.severity, 'level', detail.severity);
    setText(row.severity, detail.severity);
    setText(row.title, detail.title);
    row.title.title = detail.title;
    setText(row.about, `${timeOf(detail.detectedAt)} · ${detail.vendorId} · ${detail.category}`);
    setData(row.state, 'state', item.state);
    setText(row.state, words(item.state));
    if (row.details.open) fillChange(row);
  },
};

// The unfolded part is made when it is looked at: most never are.
function fillChange({ item, body }) {
  const { detail } = item;
  const parts = [make('p', '', detail.summary)];
  if (detail.excerpt) {
    const quote = make('div', 'excerpt');
    if (detail.excerpt.before) quote.append(make('del', '', detail.excerpt.before));
    if (detail.excerpt.after) quote.append(make('ins', '', detail.excerpt.after));
    parts.push(quote);
  }
  const address = webAddress(detail.documentUrl);
  if (address) {
    const link = make('a', 'document', detail.documentUrl);
    link.href = address.href;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    parts.push(link);
  } else parts.push(make('code', 'document', detail.documentUrl));
  const course = make('ol', 'course', make('li', '', make('time', '', timeOf(detail.detectedAt)), ' detected'));
  for (const step of item.steps) {
    const line = make('li', '', make('time', '', timeOf(step.at)), ` ${words(step.to)}`);
    addStep(line, 'span', step.actor && ` by ${step.actor}`, 'who');
    addStep(line, 'span', step.reason && ` – ${step.reason}`, 'who');
    course.append(line);
  }
  parts.push(course);
  const told = Object.entries(item.told);
  if (told.length) parts.push(make('p', 'who', `Told: ${told.map(([channel, status]) => `${words(channel)} (${status})`).join(', ')}`));
  body.replaceChildren(...parts);
}

export const delivery = {
  make(item) {
    const row = { channel: make('span', 'channel'), target: make('span', 'target'), status: chip('status'), note: make('p', 'note') };
    row.element = make('li', 'row delivery', make('div', 'line', row.channel, row.target, row.status), row.note);
    return row;
  },
  update(row, item) {
    setText(row.channel, words(item.channel));
    setText(row.target, item.target);
    row.target.title = item.target;
    setData(row.status, 'status', item.status);
    setText(row.status, item.attempt > 1 || item.status !== 'delivered' ? `${item.status} · try ${item.attempt}` : item.status);
    setText(row.note, `${timeOf(item.at)}${item.error ? ` · ${item.error.message}` : item.changeId ? '' : ' · no change, a digest'}`);
  },
};

const LONGEST_RAW = 400;

export const raw = {
  make({ envelope }) {
    const text = JSON.stringify(envelope.data) ?? '';
    const shown = text.length > LONGEST_RAW ? `${text.slice(0, LONGEST_RAW)}…` : text;
    return { element: make('li', 'row event', make('time', '', timeOf(envelope.at)), make('code', 'kind', envelope.kind), make('code', 'data', shown)) };
  },
  update() {},
};
