// What a page holds: handlers, a state, and a stream that is its own or shared.
// The law of this module: each event reaches each handler once and in order, whoever brought it; or `gap` says that this could not be had.

import { Connection } from './connection.js';
import { Kinds, checkPattern, takes } from './kinds.js';
import { Positions } from './positions.js';
import { Sharing } from './sharing.js';

const TOKEN_TIMEOUT = 30_000;
const LONGEST = 2 ** 31 - 1; // what a timer takes

export class Stream {
  #options;
  #env;
  #url;
  #kinds;
  #positions;
  #handlers = new Set();
  #connection = null;
  #sharing = null;
  #alone = false;
  #suspended = false;
  #leave;
  #isReady;
  #status = Object.freeze({ state: 'connecting', reason: null, error: null, shared: false, leading: false });

  constructor(options, env) {
    this.#options = check(options);
    this.#env = env;
    this.#url = new URL(options.url ?? 'v1/stream', env.base);
    this.#kinds = new Kinds(options.kinds ?? null, new URL('kinds', this.#url), env);
    this.#positions = new Positions(options.lastEventId ?? '');
    this.ready = new Promise((resolve) => (this.#isReady = resolve));
    this.#leave = env.watchPage({
      suspend: () => this.#suspend(),
      resume: () => this.#resume(),
      wake: (changed) => this.#connection?.wake(changed),
    });
    this.#start();
  }

  get status() {
    return this.#status;
  }

  get lastEventId() {
    return this.#positions.id;
  }

  on(kind, handler) {
    checkPattern(kind);
    if (typeof handler !== 'function') throw new TypeError('on(kind, handler) takes a function as its handler');
    const entry = { kind, handler };
    this.#handlers.add(entry);
    return () => void this.#handlers.delete(entry);
  }

  reconnect() {
    if (this.#status.state === 'closed') throw new Error('The stream was closed; open another one.');
    if (this.#suspended) return;
    this.#stop();
    this.#start();
  }

  close() {
    this.#leave();
    this.#stop();
    this.#say('closed');
  }

  #start() {
    const { share } = this.#options;
    if (!share || this.#alone || !this.#env.locks || !this.#env.BroadcastChannel) {
      this.#run(true);
      return;
    }
    const wanted = this.#kinds.wanted;
    const name = `redline ${JSON.stringify([this.#url.href, share.org, share.user, wanted])}`;
    this.#sharing = new Sharing(
      name,
      share.org,
      this.#positions,
      {
        lead: () => this.#run(true),
        follow: () => this.#disconnect(),
        catchUp: () => this.#run(false),
        give: (message) => this.#give(message),
        state: (state, reason) => this.#say(state, reason),
        alone: () => this.#goAlone(),
      },
      this.#env,
    );
    this.#sharing.start();
  }

  #stop() {
    this.#disconnect();
    this.#sharing?.stop();
    this.#sharing = null;
  }

  #disconnect() {
    this.#connection?.stop();
    this.#connection = null;
  }

  // This tab's token sees other kinds than the leader's: it does not look through that one's eyes.
  #goAlone() {
    this.#alone = true;
    this.#stop();
    this.#start();
  }

  // A frozen page cannot read, and one in the back-forward cache must not be connected.
  #suspend() {
    if (this.#suspended || ['closed', 'refused'].includes(this.#status.state)) return;
    this.#suspended = true;
    this.#stop();
    this.#say('waiting', 'suspended');
  }

  #resume() {
    if (!this.#suspended) return;
    this.#suspended = false;
    this.#start();
  }

  // `follow` is false for a follower that fetches what it has missed; without a position of its own it only shows its token.
  #run(follow) {
    this.#disconnect();
    const positions = this.#positions;
    const sharing = this.#sharing;
    const moves = follow || positions.last !== '';
    let open = null;
    let at = positions.last; // where this connection is, which may be behind what another one has brought
    const sink = {
      opened: (data, id) => {
        const org = this.#options.share?.org;
        if (org !== undefined && data.org !== org) {
          this.#refuse({ code: 'org_mismatch', message: `The token is of the org ${data.org}, and the stream is shared as one of ${org}.` });
          return false;
        }
        open = data;
        if (moves) positions.pass(at, id);
        at = id || at;
        if (follow) sharing?.opened(data);
        this.#control({ name: 'stream.open', data, id: id || null }, follow);
        return true;
      },
      gap: (data, id) => {
        at = id;
        this.#give({ type: 'gap', data, id }, follow);
      },
      event: (id, kind, text) => {
        at = id;
        const prev = positions.last;
        if (!positions.has(id)) this.#give({ type: 'event', prev, id, kind, text }, follow);
      },
      control: (name, data, id) => {
        const prev = id ? at : undefined;
        at = id || at;
        this.#control({ name, data, prev, id: id || null }, follow);
      },
      state: (state, reason) => {
        if (follow) {
          this.#say(state, reason);
          sharing?.announce(state, reason ?? null);
        } else if (state === 'waiting' && this.#status.state !== 'open') this.#say(state, reason);
      },
      ended: (id) => {
        if (moves) positions.pass(at, id);
        this.#connection = null;
        sharing?.caughtUp(open);
      },
      refused: (error) => this.#refuse(error),
    };
    const { token, tokenTimeout = TOKEN_TIMEOUT } = this.#options;
    const wanted = { url: this.#url, kinds: this.#kinds, token: () => token(), tokenTimeout, cursor: () => positions.last, follow };
    this.#connection = new Connection(wanted, sink, this.#env);
    this.#connection.start();
  }

  #control(message, tell) {
    this.#give({ type: 'control', ...message }, tell);
  }

  // Moves, tells the followers, and then the page.
  #give(message, tell = false) {
    if (message.type === 'gap') this.#positions.restart(message.id);
    else if (message.type === 'event') this.#positions.move(message.id);
    else if (message.prev !== undefined) this.#positions.pass(message.prev, message.id);
    if (tell) this.#sharing?.tell(message);
    if (message.type === 'gap') {
      this.#dispatch('stream.gap', { id: message.id, kind: 'stream.gap', data: message.data });
      if (this.#options.gap) this.#call(this.#options.gap, message.data);
    } else if (message.type === 'control') {
      this.#dispatch(message.name, { id: message.id, kind: message.name, data: message.data });
    } else this.#dispatch(message.kind, JSON.parse(message.text));
  }

  #dispatch(kind, event) {
    for (const { kind: pattern, handler } of [...this.#handlers]) if (takes(pattern, kind)) this.#call(handler, event);
  }

  // A handler that fails fails alone.
  #call(handler, argument) {
    try {
      handler(argument);
    } catch (error) {
      this.#env.report(error);
    }
  }

  #refuse(error) {
    this.#stop();
    this.#say('refused', error?.code, error);
  }

  #say(state, reason = null, error = null) {
    const shared = this.#sharing !== null;
    const next = { state, reason: reason ?? null, error: error ?? null, shared, leading: shared && this.#sharing.leading };
    if (Object.keys(next).every((name) => next[name] === this.#status[name]) && this.#said) return;
    this.#said = true;
    this.#status = Object.freeze(next);
    if (state === 'open') this.#isReady();
    if (this.#options.onstate) this.#call(this.#options.onstate, this.#status);
  }

  #said = false;
}

function check(options) {
  const { token, tokenTimeout, kinds, share, gap, onstate, lastEventId } = options ?? {};
  if (typeof token !== 'function') throw new TypeError('openStream({ token }) takes a function that returns a token, or a promise of one');
  if (tokenTimeout !== undefined && !(typeof tokenTimeout === 'number' && tokenTimeout > 0 && tokenTimeout <= LONGEST)) {
    throw new TypeError('openStream({ tokenTimeout }) takes milliseconds, more than 0');
  }
  for (const [name, call] of Object.entries({ gap, onstate })) {
    if (call !== undefined && typeof call !== 'function') throw new TypeError(`openStream({ ${name} }) takes a function`);
  }
  if (kinds !== undefined && (!Array.isArray(kinds) || !kinds.length)) {
    throw new TypeError('openStream({ kinds }) takes a list of at least one kind or prefix; leave it out for all');
  }
  for (const kind of kinds ?? []) {
    checkPattern(kind);
    if (kind === '*' || kind.startsWith('stream.')) throw new TypeError(`openStream({ kinds }) cannot ask for ${kind}; leave kinds out for all`);
  }
  if (lastEventId !== undefined && typeof lastEventId !== 'string') throw new TypeError('openStream({ lastEventId }) takes an event id');
  if (share !== undefined && !(isName(share?.org) && isName(share?.user))) {
    throw new TypeError('openStream({ share }) takes { org, user }: who the stream is of, so that tabs of nobody else hear it');
  }
  return { ...options };
}

const isName = (text) => typeof text === 'string' && text !== '';
