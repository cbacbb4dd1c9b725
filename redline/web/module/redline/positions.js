// Where a reader stands in its org's order of events.
// The law of this module: an event is new once. Event ids are opaque: two of them can be the same or not, and nothing else is asked of them.
//
// What follows is enough to join two accounts of one order (two connections, or a leader's and one's own): every position up to `last` that was
// seen lately is known, so a step from a known position to an unknown one is the next step, and a step from an unknown position is a hole.

const MOST = 8192;

export class Positions {
  #known = new Set();
  #most;

  // `start` is an event id, 'earliest' for all that is retained, or '' for whatever comes. `most` bounds what is remembered.
  constructor(start = '', most = MOST) {
    this.#most = most;
    this.last = start;
    if (start && start !== 'earliest') this.#note(start);
  }

  // The last position as an event id, '' where there is none yet.
  get id() {
    return this.last === 'earliest' ? '' : this.last;
  }

  has(id) {
    return this.#known.has(id);
  }

  // Moves to a position, and says whether it is a new one: an event with an old one was given on before.
  move(id) {
    if (!id || this.#known.has(id)) return false;
    this.#note(id);
    this.last = id;
    return true;
  }

  // Notes a position that carries no event. It moves a reader only who stands right before it: one who is ahead stays there.
  pass(prev, id) {
    if (prev === this.last || !this.last || this.last === 'earliest') this.move(id);
    else if (id && !this.#known.has(id)) this.#note(id);
  }

  // What a step from `prev` to `id` is, in somebody else's account of the same order: 'next', 'seen', or a 'hole' before it.
  step(prev, id) {
    if (this.#known.has(id)) return 'seen';
    return this.#known.has(prev) ? 'next' : 'hole';
  }

  // Begins anew at a gap: everything retained follows, whether or not it was seen before.
  restart(id) {
    this.#known.clear();
    this.last = '';
    this.move(id);
  }

  #note(id) {
    this.#known.add(id);
    if (this.#known.size > this.#most) this.#known.delete(this.#known.values().next().value);
  }
}
