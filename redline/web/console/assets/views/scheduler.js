// The scheduler: its last tick, and how long until the next one.

import { make, panel, setText } from '../dom.js';
import { countdown, duration, number, timeOf } from '../format.js';

const ON_ITS_WAY = 3000;

export function scheduler() {
  let tick = null;
  const next = make('strong', 'figure', '–');
  const label = make('span', 'key', '');
  const meter = make('span');
  const facts = { last: make('dd', '', '–'), planned: make('dd', '', '–'), due: make('dd', '', '–') };
  const body = make(
    'div', 'ticks',
    make('p', 'lead', next, label),
    make('div', 'meter', meter),
    make('dl', 'facts',
      make('div', '', make('dt', '', 'Last tick'), facts.last),
      make('div', '', make('dt', '', 'Next tick'), facts.planned),
      make('div', '', make('dt', '', 'Runs it found due'), facts.due)),
  );
  const { element, tally } = panel('scheduler', 'Scheduler', 'No tick yet.', body);

  // Several nodes of a scheduler may report late: the newest plan counts.
  const take = (kind, data) => {
    if (!tick || !(Date.parse(data.scheduledFor) < Date.parse(tick.scheduledFor))) tick = data;
  };
  const second = (now) => {
    const planned = tick ? Date.parse(tick.nextTickAt) : NaN;
    const left = planned - now;
    const [figure, words] = Number.isNaN(planned) ? ['–', ''] : told(left);
    setText(next, figure);
    setText(label, words);
    const gone = 1 - left / (Number(tick?.cadenceSeconds) * 1000);
    meter.style.transform = `scaleX(${Number.isNaN(gone) ? 0 : Math.min(1, Math.max(0, gone))})`;
  };
  return {
    kinds: ['scheduler.tick'],
    element,
    take,
    second,
    reset() {
      tick = null;
    },
    draw() {
      element.classList.toggle('has', tick !== null);
      setText(tally, tick ? `every ${duration(tick.cadenceSeconds)}` : '');
      setText(facts.last, tick ? timeOf(tick.startedAt) : '–');
      setText(facts.planned, tick ? timeOf(tick.nextTickAt) : '–');
      setText(facts.due, tick ? number(tick.dueRuns) : '–');
      second(Date.now());
    },
  };
}

// A tick a few seconds late is on its way; one later than that is missed.
function told(left) {
  if (left > 0) return [countdown(left), 'until the next tick'];
  if (left > -ON_ITS_WAY) return ['Now', 'the next tick is due'];
  return ['Late', `the next tick was due ${duration(Math.round(-left / 1000))} ago`];
}
