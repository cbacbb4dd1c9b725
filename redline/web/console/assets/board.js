// What each event goes to, and when it is drawn.
// The law of this module: however many events come, the page is drawn at most once a frame, and once a second for what moves with the time.

import { byId, setText } from './dom.js';
import { number } from './format.js';
import { Inspector } from './inspector.js';
import { Rate, rateChart } from './rate.js';
import { EventStore } from './store.js';
import { views } from './views/index.js';
import { others } from './views/others.js';

export class Board {
  // The kinds that are installed, by name.
  kinds = new Map();
  // The view of the page that is shown; only that is drawn.
  shown = 'live';
  #store = new EventStore();
  #rate = new Rate();
  #drawRate = rateChart(this.#rate);
  #rest = others((name) => this.kinds.get(name));
  #views = [...views.map((view) => view()), this.#rest];
  #takers = new Map();
  #inspector = new Inspector(this.#store, () => this.ask());
  #asked = false;

  constructor(host) {
    for (const view of this.#views) {
      host.append(view.element);
      for (const kind of view.kinds ?? []) this.#takers.set(kind, [...(this.#takers.get(kind) ?? []), view]);
    }
    setInterval(() => this.#second(), 1000);
    this.#second();
  }

  // The kinds that are installed now.
  learn(kinds) {
    this.kinds = kinds;
    this.#rest.expect([...kinds.keys()].some((kind) => !this.#takers.has(kind)));
  }

  // Takes one event. `live` is false for history that is being replayed.
  take(envelope, live) {
    const { kind, data, at } = envelope;
    const now = Date.now();
    this.#store.add(envelope);
    // History has its place in the chart as well: by its own time, which is the publisher's word.
    this.#rate.count(live ? now : Date.parse(at), now);
    try {
      for (const view of this.#takers.get(kind) ?? [this.#rest]) view.take(kind, data, at, live);
    } catch {
      // Another plugin's kind by the name of one that a view knows: it is shown by its schema.
      this.#rest.take(kind, data, at, live);
    }
    this.ask();
  }

  reset() {
    this.#store.clear();
    this.#rate.reset();
    this.#inspector.reset();
    for (const view of this.#views) view.reset();
    this.ask();
  }

  // Until the stream has opened once, an empty list means nothing yet.
  waiting(isWaiting) {
    for (const { element } of this.#views) {
      const empty = element.querySelector(':scope > .empty');
      setText(empty, isWaiting ? 'Waiting for the stream.' : empty.dataset.empty);
    }
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

  #draw() {
    setText(byId('count'), number(this.#store.received));
    if (this.shown === 'live') for (const view of this.#views) this.#drawOne(view);
    if (this.shown === 'inspector') this.#inspector.draw();
  }

  // A view that cannot show what it took, of another plugin's kind by a name that it knows, forgets that; the inspector still has it.
  #drawOne(view) {
    try {
      view.draw();
    } catch {
      view.reset();
      view.draw();
    }
  }

  #second() {
    const now = Date.now();
    this.#drawRate(now);
    for (const view of this.#views) view.second?.(now);
  }
}
