// One org's stream, kept open.
// The law of this module: every event is given on once and in order, whatever the connection does; or `onGap` says that this could not be had.
//
// The browser's EventSource reconnects by itself, with the last id. What it does not do is done here: a credential that ends (a second stream is
// opened beside the first, which is closed when the second has begun), a refusal (EventSource gives up for good), and a connection that has died
// without a word (no heartbeat). Both streams, and what a reconnect repeats, go through `#seen`.

const SEEN = 4096;
const FIRST_RETRY = 500;
const LONGEST_RETRY = 30000;
const SLOW_OPENING = 8000;
const WATCH = 1000;

export class LiveStream {
  #kinds;
  #token;
  #on;
  #source = null;
  #successor = null;
  #seen = new Set();
  #lastId = '';
  #caughtUpAt = null;
  #beat = 15;
  #heard = 0;
  #begun = 0;
  #failures = 0;
  #timer = 0;
  #watch = 0;
  #stopped = false;
  #asking = false;

  // `token(expiring)` gives a promise of a token that can be used now, and, where `expiring`, longer than the one in use; it fails with a TokenError.
  // `on` has onEvent(envelope, live), onOpen(data), onGap(data), onCursor(id), onBeat(), onPhase(phase, words), onExpiring(data), onRefused(message).
  constructor(kinds, token, on) {
    this.#kinds = kinds;
    this.#token = token;
    this.#on = on;
  }

  start() {
    this.#phase('connecting', 'Connecting');
    this.#watch = setInterval(() => this.#look(), WATCH);
    this.#replace();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    this.#source?.close();
    this.#successor?.close();
    this.#source = this.#successor = null;
  }

  // Gets a token and opens a stream from the last id on; the present one, if any, goes on until that one has begun.
  async #replace(expiring = false) {
    if (this.#asking || this.#stopped) return;
    this.#asking = true;
    clearTimeout(this.#timer);
    try {
      const token = await this.#token(expiring);
      if (!this.#stopped) this.#open(token);
    } catch (error) {
      if (this.#stopped) return;
      if (error.final) {
        if (this.#source) return; // it ends by itself, and says so
        this.#phase('refused', 'Not connected');
        this.#on.onRefused(error.message);
      } else this.#again();
    } finally {
      this.#asking = false;
    }
  }

  #open(token) {
    const url = new URL('v1/stream', document.baseURI);
    url.searchParams.set('token', token);
    url.searchParams.set('heartbeat', 'event');
    url.searchParams.set('last_event_id', this.#lastId || 'earliest');
    const source = new EventSource(url);
    this.#successor?.close();
    this.#successor = source;
    this.#begun = Date.now();
    const listen = (name, take) =>
      source.addEventListener(name, (message) => {
        if (source !== this.#source && source !== this.#successor) return;
        this.#heard = Date.now();
        let data;
        try {
          data = JSON.parse(message.data);
        } catch {
          return; // not ours: everything on the stream is JSON
        }
        take(data, message.lastEventId);
      });
    listen('stream.open', (data, id) => this.#opened(source, data, id));
    listen('stream.gap', (data, id) => {
      this.#seen.clear();
      this.#commit(id);
      this.#on.onGap(data);
      this.#caughtUpAt = data.head;
      if (data.oldest === null) this.#caughtUp();
    });
    listen('stream.cursor', (data, id) => {
      this.#commit(id);
      this.#caughtUp();
    });
    listen('stream.heartbeat', () => this.#on.onBeat());
    listen('stream.expiring', (data) => {
      this.#on.onExpiring(data);
      this.#replace(true);
    });
    listen('stream.closing', (data) => this.#closing(source, data));
    for (const kind of this.#kinds) listen(kind, (envelope, id) => this.#event(envelope, id));
    source.addEventListener('error', () => this.#failed(source));
  }

  #opened(source, data, id) {
    if (source === this.#successor) {
      this.#source?.close();
      this.#source = source;
      this.#successor = null;
    }
    clearTimeout(this.#timer);
    this.#failures = 0;
    this.#beat = data.heartbeatSeconds || this.#beat;
    this.#commit(id);
    this.#caughtUpAt = data.head;
    this.#on.onOpen(data);
    this.#on.onBeat();
    if (data.cursor === data.head) this.#caughtUp();
    else this.#phase('replaying', 'Catching up');
  }

  #event(envelope, id) {
    this.#commit(id);
    if (!this.#seen.has(id)) {
      this.#seen.add(id);
      if (this.#seen.size > SEEN) this.#seen.delete(this.#seen.values().next().value);
      this.#on.onEvent(envelope, this.#caughtUpAt === null);
    }
    if (id === this.#caughtUpAt) this.#caughtUp();
  }

  #caughtUp() {
    this.#caughtUpAt = null;
    this.#phase('live', 'Live');
  }

  #closing(source, { reason, retryable }) {
    if (retryable) {
      this.#phase('waiting', `Reconnecting (${String(reason).replaceAll('_', ' ')})`); // the browser does, when the server says
      return;
    }
    source.close();
    if (source === this.#source) this.#source = null;
    else this.#successor = null;
    if (!this.#successor) this.#again();
  }

  #failed(source) {
    if (source !== this.#source && source !== this.#successor) return;
    const gone = source.readyState === EventSource.CLOSED;
    if (!gone) {
      if (source === this.#source || !this.#source) this.#phase('waiting', 'Reconnecting'); // the browser does
      return;
    }
    if (source === this.#source) this.#source = null;
    else this.#successor = null;
    if (!this.#successor) this.#again();
  }

  #again() {
    if (!this.#source) this.#phase('waiting', 'Reconnecting');
    const longest = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#replace(), longest * (0.5 + Math.random() / 2));
  }

  // Looks after a connection that says nothing at all.
  #look() {
    const now = Date.now();
    if (this.#source?.readyState === EventSource.OPEN && now - this.#heard > this.#beat * 2500) {
      this.#source.close();
      this.#source = null;
      this.#phase('waiting', 'No heartbeat: reconnecting');
      this.#replace();
    } else if (!this.#source && this.#successor?.readyState === EventSource.CONNECTING && now - this.#begun > SLOW_OPENING) {
      this.#phase('waiting', 'Still connecting: a browser keeps at most six streams to one address, so other tabs may have to close');
    }
  }

  #commit(id) {
    if (!id) return;
    this.#lastId = id;
    this.#on.onCursor(id);
  }

  #phase(phase, words) {
    this.#on.onPhase(phase, words);
  }
}
