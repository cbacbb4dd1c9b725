// Every event as it came, for the inspector: the last so many of them.
// The law of this module: what it holds is bounded in events and in characters, however long the page stays open; and it says what it let go.

const MOST = 5000;
const MOST_CHARACTERS = 12_000_000;

export class EventStore {
  #kept = [];
  #start = 0;
  #characters = 0;
  // How many were received; the number of the newest.
  received = 0;
  kinds = new Set();

  add({ id, kind, at, data }) {
    this.received += 1;
    const text = JSON.stringify(data) ?? '';
    this.#kept.push({ key: this.received, version: 0, id, kind, at, text });
    this.#characters += text.length;
    this.kinds.add(kind);
    while (this.size > MOST || (this.#characters > MOST_CHARACTERS && this.size > 1)) {
      this.#characters -= this.#kept[this.#start].text.length;
      this.#kept[this.#start] = undefined;
      this.#start += 1;
    }
    if (this.#start > MOST) {
      this.#kept = this.#kept.slice(this.#start);
      this.#start = 0;
    }
  }

  get size() {
    return this.#kept.length - this.#start;
  }

  // The number of the oldest that is kept.
  get oldest() {
    return this.received - this.size + 1;
  }

  // At most `most` events that `fits` lets through, newest first, from the one numbered `from` downwards.
  page(from, most, fits) {
    const found = [];
    for (let number = Math.min(from, this.received); number >= this.oldest && found.length < most; number -= 1) {
      const event = this.#kept[this.#start + number - this.oldest];
      if (fits(event)) found.push(event);
    }
    return found;
  }

  clear() {
    this.#kept = [];
    this.#start = this.#characters = this.received = 0;
    this.kinds.clear();
  }
}
