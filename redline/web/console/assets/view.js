// The page, as the model has it.
// The law of this module: it is drawn at most once a frame, however many events came, and once a second for what moves with the time.

import { KeyedList, byId, make, setData, setText } from './dom.js';
import { countdown, duration, number, timeOf } from './format.js';
import * as rows from './rows.js';

const LIMITS = [['vendors', 'Vendors'], ['seats', 'Seats'], ['historyDays', 'History, days'], ['scanCadenceSeconds', 'Scan every']];
const SETTLED = new Set(['resolved', 'dismissed']);

export class View {
  #model;
  #asked = false;
  #beat = 0;
  #plan = null;
  #lists;

  constructor(model) {
    this.#model = model;
    const list = (id, row) => new KeyedList(byId(id), row.make, row.update);
    this.#lists = { runs: list('runs', rows.run), changes: list('changes', rows.change), deliveries: list('deliveries', rows.delivery), raw: list('raw', rows.raw) };
    for (const [, label] of LIMITS) byId('limits').append(make('div', '', make('dt', '', label), make('dd', '', '–')));
    setInterval(() => this.#second(), 1000);
  }

  // Draws at the next frame.
  ask() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  beat() {
    this.#beat = Date.now();
    this.#second();
  }

  phase(name, words) {
    setData(byId('connection'), 'phase', name);
    setText(byId('phase'), words);
    if (name !== 'live' && name !== 'replaying') this.#beat = 0;
  }

  cursor(id) {
    setText(byId('cursor'), id || '–');
    byId('cursor').title = id;
  }

  #draw() {
    const model = this.#model;
    const runs = model.runsInOrder();
    const changes = [...model.changes.values()].reverse();
    const deliveries = [...model.actions.values()].reverse();
    this.#lists.runs.render(runs);
    this.#lists.changes.render(changes);
    this.#lists.deliveries.render(deliveries);
    this.#lists.raw.render(model.raw);
    setText(byId('runs-tally'), runs.length ? `${runs.filter((run) => !run.done && run.stage !== 'queued').length} at work` : '');
    setText(byId('changes-tally'), changes.length ? `${changes.filter((change) => !SETTLED.has(change.state)).length} open` : '');
    const retrying = deliveries.filter((action) => action.status === 'retrying').length;
    setText(byId('deliveries-tally'), retrying ? `${retrying} retrying` : '');
    setText(byId('count'), number(model.events));
    this.#drawPlan(model.plan);
    this.#second();
  }

  #drawPlan(plan) {
    if (plan === this.#plan) return;
    this.#plan = plan;
    const limits = plan?.entitlements ?? {};
    setText(byId('plan'), plan?.plan ?? '–');
    setText(byId('plan-before'), plan?.previousPlan && plan.previousPlan !== plan.plan ? `was ${plan.previousPlan}` : '');
    setText(byId('plan-source'), plan ? `${plan.source} · ${timeOf(plan.effectiveAt)}` : '');
    LIMITS.forEach(([name], index) => {
      const value = limits[name];
      setText(byId('limits').children[index].lastElementChild, name === 'scanCadenceSeconds' && value ? duration(value) : number(value));
    });
    byId('features').replaceChildren(...(limits.features ?? []).map((feature) => make('li', 'chip', feature)));
    const panel = byId('plan').closest('.panel');
    panel.classList.toggle('fresh', Boolean(plan?.fresh));
    if (plan?.fresh) setTimeout(() => panel.classList.remove('fresh'), 2000);
  }

  // What moves by itself: the countdown, the age of the heartbeat, the rate.
  #second() {
    const now = Date.now();
    const { tick } = this.#model;
    setText(byId('heartbeat'), this.#beat ? `${Math.round((now - this.#beat) / 1000)} s ago` : '–');
    setText(byId('rate'), `${this.#model.rate(now).toFixed(1)} events/s`);
    const next = tick ? Date.parse(tick.nextTickAt) : NaN;
    const left = next - now;
    setText(byId('next-tick'), Number.isNaN(next) ? '–' : left > 0 ? `in ${countdown(left)}` : 'due now');
    setText(byId('last-tick'), tick ? timeOf(tick.startedAt) : '–');
    setText(byId('due-runs'), tick ? number(tick.dueRuns) : '–');
    setText(byId('cadence'), tick ? `every ${duration(tick.cadenceSeconds)}` : '');
    const gone = tick ? 1 - left / (tick.cadenceSeconds * 1000) : 0;
    byId('tick-meter').style.transform = `scaleX(${Math.min(1, Math.max(0, Number.isNaN(gone) ? 0 : gone))})`;
  }
}
