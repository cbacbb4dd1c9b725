// The scheduler: its last tick, and how long until the next one.

import { make, panel, setText } from '../dom.js';
import { countdown, duration, number, timeOf } from '../format.js';

export function scheduler() {
  let tick = null;
  const next = make('strong', 'figure', '–');
  const meter = make('span');
  const facts = { last: make('dd', '', '–'), planned: make('dd', '', '–'), due: make('dd', '', '–') };
  const body = make(
    'div', 'ticks',
    make('p', 'lead', next, make('span', 'key', 'until the next tick')),
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
    setText(next, Number.isNaN(planned) ? '–' : left > 0 ? countdown(left) : left > -3000 ? 'due now' : `late by ${countdown(-left)}`);
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
