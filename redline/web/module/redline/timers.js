// Timers by name: one of each at most, and none that outlives its owner.

export class Timers {
  #env;
  #running = new Map();

  constructor(env) {
    this.#env = env;
  }

  has(name) {
    return this.#running.has(name);
  }

  // Calls after so many milliseconds, in place of what was to be called by that name.
  set(name, delay, call) {
    this.clear(name);
    const run = () => {
      this.#running.delete(name);
      call();
    };
    this.#running.set(name, this.#env.setTimeout(run, delay));
  }

  clear(name) {
    if (this.#running.has(name)) this.#env.clearTimeout(this.#running.get(name));
    this.#running.delete(name);
  }

  clearAll() {
    for (const name of [...this.#running.keys()]) this.clear(name);
  }
}
