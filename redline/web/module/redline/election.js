// Which one of several tabs holds the stream.
// The law of this module: it is whoever holds the lock of that name, and the browser gives it on when a tab goes, however it goes.

export class Election {
  #name;
  #locks;
  #on;
  #candidacy = null;

  // `locks` is navigator.locks. `on`: won() when this tab has the lock, lost() when another one took it away.
  constructor(name, locks, on) {
    this.#name = name;
    this.#locks = locks;
    this.#on = on;
  }

  // Waits for the lock in the queue; with `steal`, takes it from a holder that says nothing any more.
  stand(steal = false) {
    this.resign();
    const candidacy = { abort: new AbortController(), won: false, release: () => {} };
    this.#candidacy = candidacy;
    const hold = () => {
      if (this.#candidacy !== candidacy) return undefined;
      candidacy.won = true;
      const held = new Promise((release) => (candidacy.release = release));
      this.#on.won();
      return held;
    };
    this.#locks.request(this.#name, steal ? { steal: true } : { signal: candidacy.abort.signal }, hold).catch(() => {
      if (this.#candidacy !== candidacy) return; // resigned
      this.#candidacy = null;
      if (candidacy.won) this.#on.lost();
    });
  }

  resign() {
    const candidacy = this.#candidacy;
    this.#candidacy = null;
    candidacy?.release();
    if (!candidacy?.won) candidacy?.abort.abort();
  }
}
