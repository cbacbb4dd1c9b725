// What the page knows of one org, from its events alone.
// The law of this module: it knows nothing of the page or the network, and everything in it is bounded. `version` tells a row that it has changed.

export const STAGES = ['queued', 'fetching', 'extracting', 'diffing', 'classifying'];
const MOST = 50;
const MOST_STEPS = 12;
const RATE_SECONDS = 10;

export class Model {
  constructor() {
    this.reset();
  }

  reset() {
    this.runs = new Map();
    this.changes = new Map();
    this.actions = new Map();
    this.raw = [];
    this.tick = null;
    this.plan = null;
    this.events = 0;
    this.seconds = new Array(RATE_SECONDS).fill(0);
    this.second = 0;
    this.since = 0;
  }

  // Takes an envelope; `live` is false for history that is being replayed.
  apply(envelope, live) {
    this.events += 1;
    this.raw.unshift({ key: envelope.id, version: 0, envelope });
    this.raw.length = Math.min(this.raw.length, MOST);
    if (live) {
      const now = Date.now();
      this.since ||= now;
      this.#passTo(now);
      this.seconds[this.second % RATE_SECONDS] += 1;
    }
    const take = this[envelope.kind];
    const data = envelope.data;
    if (TAKEN.has(envelope.kind) && typeof data === 'object' && data !== null) take.call(this, data, envelope.at, live);
  }

  // Events a second, over the last ten seconds, or as many as there have been.
  rate(now) {
    this.#passTo(now);
    const seconds = this.since ? (now - this.since) / 1000 : 0;
    return this.seconds.reduce((sum, each) => sum + each, 0) / Math.min(RATE_SECONDS, Math.max(1, seconds));
  }

  // Counts from the second of `now` on: one number for each of the last seconds, however many events come.
  #passTo(now) {
    const second = Math.floor(now / 1000);
    if (Math.abs(second - this.second) >= RATE_SECONDS) this.seconds.fill(0);
    else for (let each = this.second + 1; each <= second; each += 1) this.seconds[each % RATE_SECONDS] = 0;
    this.second = second;
  }

  runsInOrder() {
    const rows = [...this.runs.values()].reverse();
    const rank = (run) => (run.done ? 2 : run.stage === 'queued' && run.status === 'started' ? 1 : 0);
    const places = { 0: [], 1: [], 2: [] };
    for (const run of rows) places[rank(run)].push(run);
    // Those at work stand in the order in which they began, so that none moves while it works; the next in the queue stands first.
    return [...places[0].reverse(), ...places[1].reverse(), ...places[2].sort((a, b) => b.ended - a.ended)];
  }

  'scheduler.tick'(data) {
    this.tick = data;
  }

  'run.stage'(data, at) {
    const place = STAGES.indexOf(data.stage);
    const run = this.runs.get(data.runId) ?? {
      key: data.runId, version: 0, vendor: data.vendorId, found: 0, ended: 0, done: false, parts: STAGES.map(() => ({ state: 'todo', progress: 0 })),
    };
    Object.assign(run, { stage: data.stage, status: data.status, attempt: data.attempt, note: data.error?.message ?? data.message ?? '', at });
    run.version += 1;
    if (data.stage === 'completed') {
      run.done = data.status === 'succeeded' || data.status === 'failed' || data.status === 'skipped';
      if (run.done) run.ended = Date.parse(at) || 0;
    } else if (place >= 0) {
      // A page that opens in the middle of a run has not seen its earlier stages; they are done all the same.
      run.parts.forEach((part, index) => {
        if (index < place && part.state !== 'skipped') Object.assign(part, { state: 'done', progress: 1 });
      });
      const state = { succeeded: 'done', failed: 'failed', skipped: 'skipped' }[data.status] ?? 'active';
      run.parts[place] = { state, progress: state === 'done' ? 1 : data.progress };
    }
    this.#put(this.runs, run, (each) => each.done);
  }

  'change.detected'(data, at, live) {
    const known = this.changes.get(data.changeId);
    const change = { key: data.changeId, version: 0, state: 'new', steps: [], told: {}, fresh: live, ...known, detail: data };
    change.version += 1;
    const run = this.runs.get(data.runId);
    if (run && !known) {
      run.found += 1;
      run.version += 1;
    }
    this.#put(this.changes, change);
  }

  'change.stateChanged'(data) {
    const change = this.changes.get(data.changeId);
    if (!change) return;
    change.state = data.to;
    change.steps.push({ to: data.to, actor: data.actor?.id ?? '', reason: data.reason ?? '', at: data.changedAt });
    if (change.steps.length > MOST_STEPS) change.steps.shift();
    change.version += 1;
  }

  'action.delivered'(data, at) {
    const known = this.actions.get(data.actionId);
    const action = { ...known, ...data, key: data.actionId, version: (known?.version ?? 0) + 1, at, error: data.error ?? null };
    this.#put(this.actions, action);
    const change = this.changes.get(data.changeId);
    if (change) {
      change.told[data.channel] = data.status;
      change.version += 1;
    }
  }

  'org.entitlements.changed'(data, at, live) {
    this.plan = { ...data, fresh: live };
  }

  // Puts a row in, and the oldest out: of those that `first` names, where there are any.
  #put(rows, row, first = () => false) {
    rows.set(row.key, row);
    if (rows.size <= MOST) return;
    for (const [key, each] of rows) {
      if (first(each)) {
        rows.delete(key);
        return;
      }
    }
    rows.delete(rows.keys().next().value);
  }
}

const TAKEN = new Set(['scheduler.tick', 'run.stage', 'change.detected', 'change.stateChanged', 'action.delivered', 'org.entitlements.changed']);
