// The raw events: filtered, unfolded, copied, paused.
// The law of this module: a pause loses nothing. Events go on being kept while the list stands still, and the list says how many have come.

import { KeyedList, bdi, byId, clipped, copyButton, make, setText } from './dom.js';
import { clip, number, timeOf } from './format.js';

const ROWS = 100;
const GIST = 240;

export class Inspector {
  #store;
  #ask;
  #list = new KeyedList(byId('inspect-list'), makeRow, () => {});
  #kind = '';
  #text = '';
  // The number of the newest event that is shown; null while the list follows the stream.
  #from = null;
  // Where each newer page began.
  #newer = [];
  #last = 0;
  #offered = -1;

  constructor(store, ask) {
    this.#store = store;
    this.#ask = ask;
    byId('inspect-pause').addEventListener('click', () => this.#pause(this.#from === null));
    byId('inspect-kind').addEventListener('change', ({ target }) => this.#filter(() => (this.#kind = target.value)));
    byId('inspect-text').addEventListener('input', ({ target }) => this.#filter(() => (this.#text = target.value.toLowerCase())));
    byId('inspect-older').addEventListener('click', () => {
      this.#from ??= this.#store.received;
      this.#newer.push(this.#from);
      this.#from = this.#last - 1;
      this.#ask();
    });
    byId('inspect-newer').addEventListener('click', () => {
      this.#from = this.#newer.pop() ?? this.#store.received;
      this.#ask();
    });
  }

  reset() {
    this.#list.clear();
    this.#offered = -1;
    this.#pause(false);
  }

  #pause(paused) {
    this.#from = paused ? this.#store.received : null;
    this.#newer = [];
    this.#ask();
  }

  #filter(change) {
    change();
    this.#newer = [];
    if (this.#from !== null) this.#from = this.#store.received;
    this.#ask();
  }

  #fits(event) {
    if (this.#kind && event.kind !== this.#kind) return false;
    return !this.#text || event.text.toLowerCase().includes(this.#text) || event.id.toLowerCase().includes(this.#text);
  }

  draw() {
    const store = this.#store;
    const paused = this.#from !== null;
    this.#offerKinds();
    const from = this.#from ?? store.received;
    const found = store.page(from, ROWS + 1, (event) => this.#fits(event));
    const shown = found.slice(0, ROWS);
    this.#list.render(shown);
    this.#last = shown.at(-1)?.key ?? 0;
    byId('inspect-older').disabled = found.length <= ROWS;
    byId('inspect-newer').disabled = !this.#newer.length;
    const pause = byId('inspect-pause');
    pause.setAttribute('aria-pressed', String(paused));
    setText(pause, paused ? 'Resume' : 'Pause');
    byId('inspect-empty').hidden = shown.length > 0;
    setText(byId('inspect-empty'), store.received ? 'None of what is kept fits the filter.' : 'Nothing received yet.');
    setText(byId('inspect-tally'), this.#tally(shown, paused));
  }

  #tally(shown, paused) {
    const { received, size } = this.#store;
    if (!received) return '';
    const filtered = this.#kind || this.#text ? ' that fit' : '';
    const kept = size < received ? `the last ${number(size)} of ${number(received)} are kept` : `${number(received)} received`;
    const newest = this.#newer.length ? '' : 'the newest ';
    const waiting = received - (this.#newer[0] ?? this.#from ?? received);
    const lost = paused && shown.length === 0 && this.#from < this.#store.oldest ? ' What was shown has been let go since.' : '';
    return `Showing ${newest}${number(shown.length)}${filtered}; ${kept}.${paused ? ` Paused: ${number(waiting)} newer wait.` : ''}${lost}`;
  }

  // The kinds that have come, to choose from.
  #offerKinds() {
    const { kinds } = this.#store;
    if (kinds.size === this.#offered) return;
    this.#offered = kinds.size;
    const select = byId('inspect-kind');
    const options = [...new Set([...kinds, ...(this.#kind ? [this.#kind] : [])])].sort().map((kind) => {
      const option = make('option', '', kind);
      option.value = kind;
      return option;
    });
    select.replaceChildren(select.firstElementChild, ...options);
    select.value = this.#kind;
  }
}

function makeRow(event) {
  const summary = make('summary', 'head', make('time', '', timeOf(event.at)), make('code', 'kind', event.kind), bdi(clip(event.text, GIST), 'data'));
  const body = make('div', 'body');
  const details = make('details', '', summary, body);
  details.addEventListener('toggle', () => {
    if (!details.open || body.firstChild) return;
    const { id, kind, at, text } = event;
    const whole = () => JSON.stringify({ id, kind, at, data: JSON.parse(text) }, null, 2);
    const shown = make('pre', '', clipped(JSON.stringify(JSON.parse(text), null, 2), 4000));
    shown.tabIndex = 0;
    shown.setAttribute('role', 'group');
    shown.setAttribute('aria-label', `Data of ${kind}`);
    const name = make('code', 'id', id);
    body.append(make('p', 'who', name, ` at ${at}`), make('div', 'code', copyButton('Copy the event', whole, () => shown), copyButton('Copy the id', () => id, () => name), shown));
  });
  return { element: make('li', 'row event', details) };
}
