// How many events a second, over the last five minutes: the numbers, and the chart of them.
// The law of this module: it remembers a fixed number of counts, and draws once a second, never once an event.

import { byId, make, setText } from './dom.js';

const BUCKET = 2000;
const BUCKETS = 150;
const WIDTH = 600;
const HEIGHT = 64;
const NOW_SECONDS = 10;

export class Rate {
  #counts = new Array(BUCKETS).fill(0);
  #last = 0;
  #since = 0;

  // Counts one event of the time `moment`; one that is older than the chart, or has no time, is not in it.
  count(moment, now) {
    if (!(now - moment < BUCKET * (BUCKETS - 1))) return;
    this.#passTo(now);
    const at = Math.min(moment, now);
    this.#since = Math.min(this.#since || at, at);
    this.#counts[Math.floor(at / BUCKET) % BUCKETS] += 1;
  }

  reset() {
    this.#counts.fill(0);
    this.#since = 0;
  }

  #passTo(now) {
    const bucket = Math.floor(now / BUCKET);
    if (Math.abs(bucket - this.#last) >= BUCKETS) this.#counts.fill(0);
    else for (let each = this.#last + 1; each <= bucket; each += 1) this.#counts[each % BUCKETS] = 0;
    this.#last = bucket;
  }

  // Events a second in each two seconds of the last five minutes, oldest first; the two seconds that are not over yet stand last.
  series(now) {
    this.#passTo(now);
    return Array.from({ length: BUCKETS }, (_, index) => this.#counts[(this.#last + 1 + index) % BUCKETS] / (BUCKET / 1000));
  }

  // Events a second over the last ten seconds, or as many as there have been.
  now(now) {
    const wanted = NOW_SECONDS / (BUCKET / 1000);
    const covered = NOW_SECONDS - (BUCKET - (now % BUCKET)) / 1000;
    const seconds = Math.min(covered, this.#since ? (now - this.#since) / 1000 : 0);
    const sum = this.series(now).slice(-wanted).reduce((all, each) => all + each * (BUCKET / 1000), 0);
    return sum / Math.max(1, seconds);
  }
}

// Draws `rate` into the page's chart. Returns what draws it anew.
export function rateChart(rate) {
  const [svg, line, area] = [byId('chart'), byId('chart-line'), byId('chart-area')];
  const table = minutesTable();
  svg.after(table.element);
  return (now) => {
    const series = rate.series(now).slice(0, -1);
    const peak = Math.max(1, ...series);
    const points = series.map((value, index) => `${((index / (BUCKETS - 2)) * WIDTH).toFixed(1)} ${(HEIGHT - 2 - (value / peak) * (HEIGHT - 8)).toFixed(1)}`);
    line.setAttribute('d', `M${points.join('L')}`);
    area.setAttribute('d', `M0 ${HEIGHT}L${points.join('L')}L${WIDTH} ${HEIGHT}Z`);
    const current = rate.now(now).toFixed(1);
    const highest = Math.max(...series);
    const most = highest.toFixed(highest < 10 ? 1 : 0);
    setText(byId('rate'), current);
    setText(byId('peak'), `peak ${most}`);
    svg.setAttribute('aria-label', `Events a second over the last 5 minutes: now ${current}, at most ${most}`);
    table.fill(series);
  };
}

// The same for whoever does not see the chart: one row a minute.
function minutesTable() {
  const cells = ['Last minute', '1 to 2 minutes ago', '2 to 3 minutes ago', '3 to 4 minutes ago', '4 to 5 minutes ago'].map((label) => {
    const head = make('th', '', label);
    head.scope = 'row';
    const cell = make('td');
    return { row: make('tr', '', head, cell), cell };
  });
  const element = make('table', 'unseen', make('caption', '', 'Events a second, on average'), make('tbody', '', ...cells.map(({ row }) => row)));
  const each = BUCKETS / cells.length;
  return {
    element,
    fill: (series) => cells.forEach(({ cell }, index) => {
      const part = series.slice(BUCKETS - each * (index + 1), BUCKETS - each * index);
      setText(cell, (part.reduce((sum, value) => sum + value, 0) / each).toFixed(1));
    }),
  };
}
