// Runs of the monitoring pipeline, each as its progress through the stages.

import { KeyedList, Rows, bdi, make, panel, scroller, setData, setText } from '../dom.js';
import { clip } from '../format.js';

const STAGES = ['queued', 'fetching', 'extracting', 'diffing', 'classifying'];
const MOST = 60;

export function runs() {
  const known = new Rows(MOST, (run) => run.done);
  const list = scroller('runs');
  const { element, tally } = panel('runs', 'Runs', 'No runs yet. One appears with its first stage.', list);
  const rows = new KeyedList(list, makeRow, updateRow);

  return {
    kinds: ['run.stage', 'change.detected'],
    element,
    reset() {
      known.clear();
      rows.clear();
    },
    take(kind, data) {
      if (kind === 'change.detected') {
        const run = known.get(data.runId);
        if (run && run.found.size < MOST && !run.found.has(data.changeId)) {
          run.found.add(data.changeId);
          run.version += 1;
        }
        return;
      }
      known.put(advance(known.get(data.runId), data));
    },
    draw() {
      const all = inOrder(known);
      rows.render(all);
      const working = all.filter((run) => rank(run) === 0).length;
      setText(tally, [working && `${working} at work`, known.bound()].filter(Boolean).join(' · '));
    },
  };
}

function advance(known, data) {
  const place = STAGES.indexOf(data.stage);
  const run = known ?? { key: data.runId, version: 0, found: new Set(), parts: STAGES.map(() => ({ state: 'todo', progress: 0 })) };
  run.version += 1;
  Object.assign(run, { vendor: data.vendorId, stage: data.stage, status: data.status, attempt: data.attempt });
  run.done = place < 0;
  run.note = data.error?.message ?? data.message ?? '';
  // History may begin in the middle of a run; stages before the one seen are done all the same.
  const before = run.done ? (data.status === 'failed' ? 0 : STAGES.length) : place;
  run.parts.forEach((part, index) => {
    if (index < before && part.state !== 'skipped') Object.assign(part, { state: 'done', progress: 1 });
  });
  if (!run.done) {
    const state = { succeeded: 'done', failed: 'failed', skipped: 'skipped' }[data.status] ?? 'active';
    run.parts[place] = { state, progress: state === 'done' ? 1 : Math.min(1, Math.max(0, Number(data.progress) || 0)) };
  }
  return run;
}

// Those at work first, then those that wait, then those that are done; within each the newest first.
const rank = (run) => (run.done ? 2 : run.stage === 'queued' && run.status === 'started' ? 1 : 0);
const inOrder = (known) => [...known.values()].reverse().sort((one, other) => rank(one) - rank(other));

function makeRow() {
  const row = { vendor: bdi('', 'name'), stage: make('span', 'stage'), note: bdi('', 'note'), attempt: make('span', 'chip try'), found: make('span', 'chip found') };
  row.track = make('div', 'track');
  row.track.setAttribute('role', 'progressbar');
  row.track.setAttribute('aria-valuemin', '0');
  row.track.setAttribute('aria-valuemax', '100');
  row.parts = STAGES.map((stage) => {
    const fill = make('span', 'fill');
    const part = make('span', 'part', fill);
    part.title = stage;
    row.track.append(part);
    return { part, fill };
  });
  row.element = make('li', 'row run', make('div', 'line', row.vendor, row.attempt, row.found, row.stage), row.track, row.note);
  return row;
}

function updateRow(row, item) {
  const failed = item.done && item.status === 'failed';
  setData(row.element, 'state', ['active', 'queued', failed ? 'failed' : 'done'][rank(item)]);
  setText(row.vendor, clip(String(item.vendor), 128));
  setText(row.stage, failed ? 'gave up' : String(item.stage));
  setText(row.note, clip(String(item.note), 300));
  setData(row.note, 'tone', item.status === 'failed' ? 'bad' : '');
  row.attempt.hidden = !(item.attempt > 1);
  setText(row.attempt, `try ${item.attempt}`);
  row.found.hidden = item.found.size === 0;
  setText(row.found, item.found.size === 1 ? '1 change' : `${item.found.size} changes`);
  item.parts.forEach(({ state, progress }, index) => {
    setData(row.parts[index].part, 'state', state);
    row.parts[index].fill.style.transform = `scaleX(${progress})`;
  });
  const share = item.done && !failed ? 1 : item.parts.reduce((sum, part) => sum + (part.state === 'skipped' ? 1 : part.progress), 0) / STAGES.length;
  row.track.setAttribute('aria-valuenow', String(Math.round(share * 100)));
  row.track.setAttribute('aria-label', `${row.vendor.textContent}: ${row.stage.textContent}`);
}
