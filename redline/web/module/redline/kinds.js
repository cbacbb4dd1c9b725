// Which events a page wants, by kind.
// The law of this module: a native EventSource gives on only what it is asked for by name, so a prefix, and "everything", need the names of
// the kinds that are installed. They come from the service's catalogue; nothing here knows a kind.

const PATTERN = /^[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*(\.\*)?$/;

export const isPrefix = (pattern) => pattern.endsWith('.*');

// Whether a handler's pattern takes an event: a name, a prefix as 'change.*', or '*' for all but the stream's own control events.
export function takes(pattern, name) {
  if (pattern === '*') return !name.startsWith('stream.');
  return isPrefix(pattern) ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

export function checkPattern(pattern) {
  if (pattern !== '*' && (typeof pattern !== 'string' || !PATTERN.test(pattern))) {
    throw new TypeError(`${JSON.stringify(pattern)} is no kind: it takes a name as "run.stage", a prefix as "change.*", or "*"`);
  }
}

export class Kinds {
  #url;
  #env;

  // `wanted` is a list of names and prefixes, or null for all; `url` the catalogue's.
  constructor(wanted, url, env) {
    this.wanted = wanted && [...new Set(wanted)].sort();
    this.exact = Boolean(this.wanted) && !this.wanted.some(isPrefix);
    this.#url = url;
    this.#env = env;
  }

  // The names to listen to. Throws where the catalogue cannot be read: a stream of unknown names would lose events without a word.
  async names() {
    const wanted = this.wanted;
    if (this.exact) return wanted;
    const answer = await this.#env.fetch(this.#url, { credentials: 'omit', signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`The catalogue of kinds answered ${answer.status}.`);
    const installed = (await answer.json()).kinds.map((kind) => kind.name);
    return wanted ? installed.filter((name) => wanted.some((pattern) => takes(pattern, name))) : installed;
  }
}
