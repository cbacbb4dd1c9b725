// One connection to the service, kept up over native EventSource.
// The law of this module: whatever happens to a connection, another one takes its place from the last position on, and the old one is let go only
// when the new one has begun. What may be given on twice for that is told apart by whoever has the positions (positions.js).
//
// The browser reconnects by itself, when the server says and with the last id, wherever it can; that is left to it. Done here is what it does not do:
// a credential that ends, a refusal (after any status but 200 an EventSource is closed for good), and a connection that has died without a word.

import { Attempt, inquire } from './attempt.js';
import { backoff, renewal } from './pace.js';
import { Timers } from './timers.js';

const CLOSED = 2; // EventSource.CLOSED
const OPENING = 20_000;
const RECONNECTING = 60_000; // the server may have told the browser to wait for a while
const SILENT_BEATS = 2.5;
const MOST_HELD = 1000;

export class Connection {
  #wanted;
  #sink;
  #env;
  #current = null;
  #next = null;
  #asking = false;
  #renewing = false;
  #stopped = false;
  #timers;
  #failures = 0;
  #rejections = 0;
  #rejected = null;
  #beat = 15_000;

  // `wanted`: { url, kinds, token(), tokenTimeout, cursor(), follow }. `sink` takes what comes: opened(data, id) (false to be stopped by it), gap(data, id),
  // event(id, kind, text), control(name, data, id), state(state, reason), ended(id), refused(error). `env` is the world: see redline.js.
  constructor(wanted, sink, env) {
    this.#wanted = wanted;
    this.#sink = sink;
    this.#env = env;
    this.#timers = new Timers(env);
  }

  start() {
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    this.#timers.clearAll();
    this.#current?.source.close();
    this.#next?.source.close();
    this.#current = this.#next = null;
  }

  // The network is another one, or the page is looked at again: do not wait for what would be noticed later.
  wake(changed) {
    if (this.#stopped) return;
    if (this.#timers.has('retry')) this.#timers.set('retry', changed ? this.#env.random() * 1000 : 0, () => this.#connect());
    else if (changed && !this.#next) this.#timers.set('retry', this.#env.random() * 1000, () => this.#connect());
    else this.#look();
  }

  async #connect() {
    if (this.#asking || this.#stopped) return;
    this.#timers.clear('retry');
    this.#asking = true;
    if (!this.#current) this.#sink.state('connecting');
    let credential;
    let names;
    let failure = null;
    try {
      const token = this.#timers.within('token', this.#wanted.tokenTimeout, this.#wanted.token);
      [credential, names] = await Promise.all([token, this.#wanted.kinds.names()]);
    } catch (error) {
      failure = error;
    }
    this.#asking = false;
    if (this.#stopped) return;
    if (failure) this.#again('unreachable');
    else if (!credential) this.#refuse({ code: 'unauthenticated', message: 'The page has no token.' });
    else if (same(credential, this.#rejected)) this.#refuse({ code: 'unauthenticated', message: 'The token was refused, and the page has no other.' });
    else if (this.#renewing && this.#current && same(credential, this.#current.credential)) this.#renewLater(this.#current.expiresAt);
    else this.#open(credential, names);
  }

  #open(credential, names) {
    this.#next?.source.close();
    const attempt = new Attempt(this.#wanted, credential, names, this.#env);
    this.#next = attempt;
    const listen = (name, take) =>
      attempt.source.addEventListener(name, (message) => {
        if (!this.#alive(attempt)) return;
        attempt.heard = this.#env.now();
        attempt.told = true;
        if (!attempt.held || name === 'stream.closing') take(message);
        else attempt.held.push(() => take(message));
      });
    const control = (name, take) => listen(name, (message) => take(JSON.parse(message.data), message.lastEventId));
    control('stream.open', (data, id) => this.#opened(attempt, data, id));
    control('stream.gap', (data, id) => this.#sink.gap(data, id));
    control('stream.cursor', (data, id) => this.#sink.control('stream.cursor', data, id));
    control('stream.heartbeat', (data) => this.#sink.control('stream.heartbeat', data, null));
    control('stream.expiring', (data) => this.#expiring(attempt, data));
    control('stream.closing', (data, id) => this.#closing(attempt, data, id));
    for (const name of names) listen(name, (message) => this.#sink.event(message.lastEventId, name, message.data));
    attempt.source.addEventListener('error', () => this.#failed(attempt));
    this.#look();
  }

  #opened(attempt, data, id) {
    if (attempt === this.#next) {
      this.#current?.source.close();
      this.#current = attempt;
      this.#next = null;
      this.#renewing = false;
    }
    attempt.opened += 1;
    attempt.live = true;
    attempt.reason = null;
    attempt.expiresAt = data.expiresAt;
    this.#timers.clear('retry');
    this.#failures = this.#rejections = 0;
    this.#rejected = null;
    this.#beat = data.heartbeatSeconds * 1000;
    if (this.#sink.opened(data, id) === false) return;
    this.#sink.state('open');
    this.#look();
    if (attempt.opened > 1 && !this.#wanted.kinds.exact) this.#learn(attempt);
  }

  // After a reconnect the server may be another one, with kinds that nobody listens to yet. What comes is held until that is known.
  async #learn(attempt) {
    const held = (attempt.held = []);
    let names = null;
    try {
      names = await this.#wanted.kinds.names();
    } catch {
      // Without the names nothing can be given on honestly: see below.
    }
    if (!this.#alive(attempt) || attempt.held !== held) return;
    attempt.held = null;
    if (!names) {
      this.#drop(attempt);
      this.#again('unreachable');
    } else if (held.length > MOST_HELD || names.some((name) => !attempt.names.includes(name))) {
      this.#drop(attempt); // nothing of it was given on: the next one begins where this one did
      this.#open(attempt.credential, names);
    } else for (const take of held) if (this.#alive(attempt)) take();
  }

  #expiring(attempt, data) {
    this.#sink.control('stream.expiring', data, null);
    if (attempt === this.#current && this.#wanted.follow) this.#renewLater(data.expiresAt);
  }

  #renewLater(expiresAt) {
    this.#timers.set('renewal', renewal(expiresAt, this.#env.time(), this.#env.random), () => {
      this.#renewing = true;
      this.#connect();
    });
  }

  #closing(attempt, data, id) {
    if (!this.#wanted.follow && data.reason === 'end_of_history') {
      this.stop();
      this.#sink.ended(id);
      return;
    }
    attempt.reason = data.reason;
    this.#sink.control('stream.closing', data, null);
    if (data.retryable) return; // the browser comes back when the server says
    this.#drop(attempt);
    this.#reject(attempt, { code: 'unauthenticated', message: 'The credential has ended, and the page has no other.' });
  }

  async #failed(attempt) {
    if (!this.#alive(attempt)) return;
    attempt.live = false;
    attempt.heard = this.#env.now();
    if (attempt.held) {
      this.#drop(attempt); // the browser would resume after what was held and not given on
      this.#again('network');
      return;
    }
    if (attempt.source.readyState !== CLOSED) {
      if (attempt === this.#current || !this.#current) this.#sink.state('waiting', attempt.reason ?? 'network');
      return;
    }
    this.#drop(attempt);
    if (this.#next || this.#asking) return; // another one is on its way
    this.#asking = true;
    const { status, error, after } = await inquire(attempt.url, this.#env);
    this.#asking = false;
    if (this.#stopped) return;
    if (status === 401) this.#reject(attempt, error);
    else if (status >= 400 && status < 500 && ![408, 425, 429].includes(status)) this.#refuse(error);
    else this.#again(error?.code ?? 'unreachable', after);
  }

  // The server will not have this credential any more: the page is asked for another one, once.
  #reject(attempt, error) {
    this.#rejected = attempt.credential;
    this.#rejections += 1;
    if (this.#next || this.#asking) return;
    if (this.#rejections > 1) this.#refuse(error);
    else this.#connect();
  }

  #refuse(error) {
    if (this.#current) {
      this.#rejections = 0; // it goes on until it ends, and then the page is asked once more
      return;
    }
    this.stop();
    this.#sink.refused(error);
  }

  #again(reason, after = 0) {
    const delay = after + backoff(this.#failures, this.#env.random);
    this.#failures = Math.min(this.#failures + 1, 16);
    if (!this.#current) this.#sink.state('waiting', reason);
    this.#timers.set('retry', delay, () => this.#connect());
  }

  // The watchdog: a live stream says something every heartbeat, and one that is being opened does not take for ever.
  #look() {
    this.#timers.clear('watch');
    let due = Infinity;
    for (const attempt of [this.#current, this.#next]) {
      if (!attempt) continue;
      const left = attempt.heard + this.#patience(attempt) - this.#env.now();
      if (left > 0) due = Math.min(due, left);
      else {
        this.#drop(attempt);
        if (!this.#next && !this.#asking && !this.#timers.has('retry')) this.#again('silence');
      }
    }
    if (due !== Infinity) this.#timers.set('watch', due, () => this.#look());
  }

  #patience(attempt) {
    if (attempt.live) return this.#beat * SILENT_BEATS;
    return attempt.told ? RECONNECTING : OPENING;
  }

  #alive(attempt) {
    return attempt === this.#current || attempt === this.#next;
  }

  #drop(attempt) {
    attempt.source.close();
    if (attempt === this.#current) {
      this.#current = null;
      this.#timers.clear('renewal');
      if (this.#next || this.#asking) this.#sink.state('connecting');
    } else if (attempt === this.#next) this.#next = null;
    if (!this.#current && !this.#next) this.#timers.clear('watch');
  }
}

const same = (one, other) => one !== null && other !== null && JSON.stringify(one) === JSON.stringify(other);
