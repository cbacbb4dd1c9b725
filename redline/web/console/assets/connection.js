// What the page says of its connection: its state in a word and a sentence, the last event id, the heartbeat's age, reconnects.
// The law of this module: its box has one height in every state, so that a connection that comes and goes moves nothing else.

import { byId, setData, setText } from './dom.js';
import { clip, number, timeOf } from './format.js';

const PHASES = { connecting: 'Connecting', replaying: 'Catching up', live: 'Live', waiting: 'Disconnected', full: 'Over capacity', cut: 'Cut by you', refused: 'Not connected' };
const WHY = {
  shutdown: 'The server is restarting or going down.',
  over_capacity: 'The server has no room for another stream.',
  rate_limited: 'The server asks for a pause.',
  slow_subscriber: 'This page read too slowly.',
  max_age: 'The stream had reached its greatest age.',
  log_unavailable: 'The server cannot reach its log.',
  token_expired: 'The token has ended.',
  token_revoked: 'The token was revoked.',
  internal: 'The server has failed.',
  silence: 'Nothing was heard for too long.',
  unreachable: 'The server cannot be reached.',
  suspended: 'The browser put this page to sleep.',
  network: 'The connection was lost.',
  cut: 'You cut the connection.',
};
const FULL = new Set(['over_capacity', 'rate_limited']);
const INTERRUPTED = new Set(['waiting', 'full', 'cut']);
// A catch-up of a blink is not worth a word.
const QUIET = 400;

export class Connection {
  #phase = 'connecting';
  #org = '';
  #beat = 0;
  #heard = 0;
  #broken = '';
  #reconnects = 0;
  #replayed = 0;
  #cursor = '';
  #quiet = 0;

  // Another stream, or the same org from the beginning.
  reset() {
    this.#org = this.#broken = '';
    this.#beat = this.#heard = this.#reconnects = 0;
    setText(byId('reconnects'), '0');
    this.moved('');
    this.#show('connecting', 'Opening the stream.');
  }

  get isCut() {
    return this.#phase === 'cut';
  }

  // A stream has begun. Returns whether it takes the place of one that was lost.
  opened({ org }) {
    const again = INTERRUPTED.has(this.#phase);
    this.#org = org;
    this.#replayed = 0;
    if (again) this.#reconnects += 1;
    setText(byId('reconnects'), number(this.#reconnects));
    this.beat();
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#show('replaying', 'Fetching what was published in the meantime.'), QUIET);
    return again;
  }

  caughtUp() {
    clearTimeout(this.#quiet);
    if (this.#phase === 'live') return;
    const replayed = this.#replayed === 1 ? '1 event' : `${number(this.#replayed)} events`;
    this.#show('live', this.#broken ? `Resumed after ${clip(this.#broken, 40)}: ${replayed} replayed, none lost.` : `Everything of ${clip(this.#org, 40)}, as it is published.`);
    this.#broken = '';
  }

  // History was lost: what follows is no resume.
  gap() {
    this.#broken = '';
  }

  // `reason` is why the stream ended, as `stream.closing` or redline.js says it.
  broken(reason) {
    this.#interrupt();
    this.#show(FULL.has(reason) ? 'full' : 'waiting', `${WHY[reason] ?? WHY.network} Trying again by itself.${this.#asOf()}`);
  }

  cut() {
    this.#interrupt();
    this.#show('cut', `The server keeps what is published now; resume, and it follows.${this.#asOf()}`);
  }

  refused() {
    clearTimeout(this.#quiet);
    this.#show('refused', 'A token is needed: enter one in the Live view.');
  }

  replayed() {
    this.#replayed += 1;
  }

  moved(id) {
    this.#cursor = id;
    setText(byId('cursor'), id ? clip(id, 64) : '–');
  }

  beat() {
    this.#beat = Date.now();
  }

  second(now) {
    const open = this.#phase === 'live' || this.#phase === 'replaying';
    setText(byId('heartbeat'), this.#beat && open ? `${Math.max(0, Math.round((now - this.#beat) / 1000))} s ago` : '–');
  }

  #interrupt() {
    clearTimeout(this.#quiet);
    if (INTERRUPTED.has(this.#phase) || !this.#org) return;
    this.#broken = this.#cursor;
    this.#heard = Date.now();
  }

  #asOf() {
    return this.#heard ? ` Shown as of ${timeOf(this.#heard)}.` : '';
  }

  #show(phase, words) {
    this.#phase = phase;
    setData(byId('strip'), 'phase', phase);
    setText(byId('phase'), PHASES[phase]);
    setText(byId('words'), words);
    byId('cut').disabled = phase === 'refused' || phase === 'connecting';
    setText(byId('cut'), phase === 'cut' ? 'Resume' : 'Cut the connection');
  }
}
