// A browser in miniature, for tests: time, EventSource, Web Locks, BroadcastChannel and the service's other answers, all under the test's control.
// The law of this module: it does what the standards say of the real ones, as far as redline.js relies on it, and nothing by itself.

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;

// Lets everything run that waits for a promise.
export const settle = async () => {
  for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
};

export class Source {
  readyState = CONNECTING;
  #listeners = new Map();

  constructor(url) {
    this.url = new URL(url);
  }

  addEventListener(name, call) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), call]);
  }

  close() {
    this.readyState = CLOSED;
  }

  get closed() {
    return this.readyState === CLOSED;
  }

  param(name) {
    return this.url.searchParams.get(name);
  }

  // A frame; one of a kind that nobody listens to is dropped, as a browser does. Says whether somebody did.
  send(name, data, lastEventId = '') {
    if (this.closed) return false;
    this.readyState = OPEN;
    const calls = this.#listeners.get(name) ?? [];
    for (const call of calls) if (!this.closed) call({ data: JSON.stringify(data), lastEventId });
    return calls.length > 0;
  }

  open(cursor, { head = cursor, org = 'acme', kinds = null, id = cursor, resumed = true, expiresAt = '2026-11-22T11:00:00.000Z' } = {}) {
    this.send('stream.open', { org, resumed, cursor, head, kinds, heartbeatSeconds: 15, expiresAt }, id);
  }

  event(id, kind = 'run.stage', org = 'acme') {
    return this.send(kind, { id, kind, org, at: '2026-11-22T10:00:00.000Z', data: { id } }, id);
  }

  gap(oldest, head, id) {
    this.send('stream.gap', { reason: 'unknown', requested: 'x', oldest, head }, id);
  }

  closing(reason, retryable) {
    this.send('stream.closing', { reason, retryable });
  }

  // The connection ends: the browser comes back by itself, or, after any status but 200, does not.
  cut({ forGood = false } = {}) {
    if (this.closed) return;
    this.readyState = forGood ? CLOSED : CONNECTING;
    for (const call of this.#listeners.get('error') ?? []) call({});
  }
}

export class World {
  sources = [];
  requests = [];
  errors = [];
  kinds = ['run.stage', 'change.detected', 'change.stateChanged'];
  refusal = { status: 401, body: { error: { code: 'unauthenticated', message: 'The token has expired.' } } };
  channels = new Set();
  chance = 0.5;
  deaf = () => false; // whether a message to a tab is lost
  #now = 0;
  #timers = new Map();
  #serial = 0;
  #locks = new Map();

  // One tab's view of it.
  tab() {
    const page = {};
    const world = this;
    const made = [];
    const env = {
      base: 'https://redline.example/redline.js',
      EventSource: class extends Source {
        constructor(url) {
          super(url);
          this.tab = env;
          if (env.gone) this.close();
          made.push(this);
          world.sources.push(this);
        }
      },
      BroadcastChannel: class {
        constructor(name) {
          Object.assign(this, { name, onmessage: null, tab: env });
          if (!env.gone) world.channels.add(this);
        }

        postMessage(message) {
          const data = structuredClone(message);
          for (const other of env.gone ? [] : world.channels) {
            if (other === this || other.name !== this.name || world.deaf(data, other)) continue;
            world.post(() => world.channels.has(other) && other.onmessage?.({ data }));
          }
        }

        close() {
          world.channels.delete(this);
        }
      },
      locks: { request: (...request) => (env.gone ? new Promise(() => {}) : world.#request(env, ...request)) },
      fetch: async (url) => world.#answer(new URL(url)),
      setTimeout: (call, delay) => {
        world.#serial += 1;
        if (!env.gone) world.#timers.set(world.#serial, { at: world.#now + delay, call, tab: env });
        return world.#serial;
      },
      clearTimeout: (timer) => world.#timers.delete(timer),
      now: () => world.#now,
      time: () => Date.parse('2026-11-22T10:00:00.000Z') + world.#now,
      random: () => world.chance,
      report: (error) => world.errors.push(error),
      watchPage: (calls) => (Object.assign(page, calls), () => {}),
      page,
      made,
      frozen: false,
      gone: false,
    };
    return env;
  }

  post(call) {
    queueMicrotask(call);
  }

  get time() {
    return this.#now;
  }

  get open() {
    return this.sources.filter((source) => !source.closed);
  }

  get last() {
    return this.sources.at(-1);
  }

  // When the next timer is due, in milliseconds from now.
  get next() {
    return Math.min(...[...this.#timers.values()].filter((timer) => !timer.tab.frozen).map((timer) => timer.at)) - this.#now;
  }

  async advance(milliseconds) {
    const end = this.#now + milliseconds;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end && !timer.tab.frozen).sort((one, other) => one[1].at - other[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, due[1].at);
      due[1].call();
    }
    this.#now = end;
    await settle();
  }

  // A tab that goes without a word: its connections, channels, timers and locks go with it.
  kill(env) {
    env.gone = true;
    for (const source of env.made) source.close();
    for (const channel of this.channels) if (channel.tab === env) this.channels.delete(channel);
    for (const [id, timer] of this.#timers) if (timer.tab === env) this.#timers.delete(id);
    for (const queue of this.#locks.values()) for (const entry of [...queue]) if (entry.tab === env) this.#remove(queue, entry);
  }

  #request(tab, name, { steal = false, signal } = {}, call) {
    const queue = this.#locks.get(name) ?? [];
    this.#locks.set(name, queue);
    return new Promise((resolve, reject) => {
      const entry = { tab, call, resolve, reject, held: false };
      signal?.addEventListener('abort', () => {
        if (entry.held) return;
        this.#remove(queue, entry);
        reject(new DOMException('aborted', 'AbortError'));
      });
      if (steal) {
        if (queue[0]?.held) queue.shift().reject(new DOMException('stolen', 'AbortError'));
        queue.unshift(entry);
      } else queue.push(entry);
      this.#grant(queue);
    });
  }

  #remove(queue, entry) {
    const place = queue.indexOf(entry);
    if (place >= 0) queue.splice(place, 1);
    this.#grant(queue);
  }

  #grant(queue) {
    const first = queue[0];
    if (!first || first.held) return;
    first.held = true;
    queueMicrotask(async () => {
      const value = await first.call({});
      first.resolve(value);
      this.#remove(queue, first);
    });
  }

  #answer(url) {
    this.requests.push(url);
    const catalogue = { status: 200, body: { kinds: this.kinds.map((name) => ({ name })) } };
    const refusal = typeof this.refusal === 'function' ? this.refusal(url) : this.refusal;
    const { status, body, headers = {} } = url.pathname === '/v1/kinds' ? catalogue : refusal;
    if (!status) throw new TypeError('Failed to fetch');
    return { ok: status < 300, status, headers: new Headers(headers), json: async () => structuredClone(body), body: { cancel: async () => {} } };
  }
}

// What a page sees of its stream.
export function watch(stream) {
  const seen = { ids: [], gaps: [], control: [] };
  stream.on('*', ({ id }) => seen.ids.push(id));
  stream.on('stream.*', ({ kind, data }) => {
    seen.control.push(kind);
    if (kind === 'stream.gap') seen.gaps.push(data);
  });
  return seen;
}
