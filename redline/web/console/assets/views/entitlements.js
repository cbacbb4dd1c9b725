// What the org may do, and what the last change of it changed.

import { bdi, make, panel, setText } from '../dom.js';
import { clip, duration, number, timeOf } from '../format.js';

const LIMITS = [['vendors', 'Vendors'], ['seats', 'Seats'], ['historyDays', 'History, days'], ['scanCadenceSeconds', 'Scan every']];
const MOST_FEATURES = 24;

const shown = (name, value) => (name === 'scanCadenceSeconds' && typeof value === 'number' ? duration(value) : number(value));
const amount = (value) => (value === null ? Infinity : value);

export function entitlements() {
  let plan = null;
  let before = null;
  let dirty = true;
  const name = bdi('–', 'figure');
  const was = bdi('', 'key');
  const limits = make('dl', 'facts');
  const features = make('ul', 'features');
  features.setAttribute('aria-label', 'Features');
  const cells = new Map(LIMITS.map(([key, label]) => {
    const cell = make('dd', '', '–');
    limits.append(make('div', '', make('dt', '', label), cell));
    return [key, cell];
  }));
  features.tabIndex = 0;
  const { element, tally } = panel('plan', 'Entitlements', 'Nothing said of the plan yet.', make('div', 'terms', make('p', 'lead', name, was), limits, features));

  // The value, and beside it what it was, with a word for whoever does not see the colour.
  const fill = (cell, key, now, old) => {
    const value = shown(key, now);
    const parts = [make('span', '', value)];
    if (old !== undefined && old !== now) {
      const better = key === 'scanCadenceSeconds' ? now < old : amount(now) > amount(old);
      const mark = make('del', '', shown(key, old));
      const arrow = make('span', better ? 'up' : 'down', better ? '▲' : '▼');
      arrow.setAttribute('aria-hidden', 'true');
      parts.unshift(make('span', 'unseen', better ? 'raised from ' : 'lowered from '), mark, arrow);
    }
    cell.replaceChildren(...parts);
  };

  return {
    kinds: ['org.entitlements.changed'],
    element,
    reset() {
      plan = before = null;
      dirty = true;
    },
    take(kind, data) {
      before = plan;
      plan = data;
      dirty = true;
    },
    draw() {
      if (!dirty) return;
      dirty = false;
      element.classList.toggle('has', plan !== null);
      const now = plan?.entitlements ?? {};
      const old = before?.entitlements ?? {};
      setText(name, clip(String(plan?.plan ?? '–'), 60));
      setText(was, plan?.previousPlan && plan.previousPlan !== plan.plan ? `was ${clip(String(plan.previousPlan), 60)}` : '');
      setText(tally, plan ? `${plan.source} · ${timeOf(plan.effectiveAt)}` : '');
      for (const [key, cell] of cells) fill(cell, key, now[key], old[key]);
      const has = new Set(now.features);
      const had = new Set(before ? old.features : now.features);
      const chips = [...has].map((feature) => chip(feature, had.has(feature) ? '' : 'added'));
      chips.push(...[...had].filter((feature) => !has.has(feature)).map((feature) => chip(feature, 'removed')));
      const rest = chips.length - MOST_FEATURES;
      features.replaceChildren(...chips.slice(0, MOST_FEATURES), ...(rest > 0 ? [make('li', 'chip', `and ${rest} more`)] : []));
    },
  };
}

function chip(feature, state) {
  const text = bdi(clip(String(feature), 60));
  const element = make('li', 'chip feature', ...(state ? [make('span', 'unseen', `${state}: `)] : []), state === 'removed' ? make('del', '', text) : text);
  if (state) element.dataset.change = state;
  return element;
}
