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

  // What `call` promises, or an exception where that has not come after so many milliseconds. What comes later is nobody's.
  within(name, delay, call) {
    return new Promise((resolve, reject) => {
      this.set(name, delay, () => reject(new Error(`no ${name} within ${delay} ms`)));
      const timer = this.#running.get(name);
      const clear = () => this.#running.get(name) === timer && this.clear(name);
      new Promise((give) => give(call())).finally(clear).then(resolve, reject);
    });
  }

  clear(name) {
    if (this.#running.has(name)) this.#env.clearTimeout(this.#running.get(name));
    this.#running.delete(name);
  }

  clearAll() {
    for (const name of [...this.#running.keys()]) this.clear(name);
  }
}
