// One stream for several tabs: the leader has it and says what comes, the others follow.
// The law of this module: a follower gives on an event only where the step to it begins at a position that it knows; otherwise it fetches what is
// missing itself, from its own last position on. And it hears nothing before the service has told it, by its own token, that it is of this org.
//
// The channel's name holds URL, filter, org and user, so that nobody else's events are ever on it; each message names the org again.

import { Election } from './election.js';
import { Timers } from './timers.js';

const FIRST_BEAT = 5000;
const SILENT_BEATS = 2.5;
const MOST_WAITING = 5000;
const LONGEST_DELAY = 10_000;

export class Sharing {
  #name;
  #org;
  #positions;
  #owner;
  #env;
  #election;
  #channel = null;
  #timers;
  #leader = null; // its last 'here'
  #status = { state: 'connecting', reason: null }; // ours to announce, while we lead
  #kinds; // what this tab's token may see, once the service has said so
  #beat = FIRST_BEAT;
  #behind = true;
  #fetching = false;
  #waiting = [];
  #holes = 0;
  leading = false;

  // `owner`: lead() and follow() begin and end a stream of its own; catchUp() fetches what is retained after its position and calls caughtUp(open);
  // give(message) takes an event, a gap or a control event; state(state, reason); alone() when this tab may not see what the leader sees.
  constructor(name, org, positions, owner, env) {
    this.#name = name;
    this.#org = org;
    this.#positions = positions;
    this.#owner = owner;
    this.#env = env;
    this.#timers = new Timers(env);
    this.#election = new Election(name, env.locks, { won: () => this.#won(), lost: () => this.#lost() });
  }

  start() {
    this.#channel = new this.#env.BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#owner.state('connecting', null);
    this.#election.stand();
    this.#follow();
  }

  stop() {
    this.#timers.clearAll();
    this.leading = false;
    this.#election.resign();
    this.#channel?.close();
    this.#channel = null;
  }

  // What the leader says.

  // `message` is { type: 'event', prev, id, kind, text }, { type: 'gap', id, data } or { type: 'control', name, data, prev, id }.
  tell(message) {
    if (this.leading) this.#post(message);
  }

  opened(open) {
    this.#beat = open.heartbeatSeconds * 1000;
    this.#kinds = open.kinds;
  }

  announce(state, reason) {
    this.#status = { state, reason };
    if (this.leading) this.#here();
  }

  #here() {
    const kinds = this.#status.state === 'open' ? this.#kinds : undefined;
    this.#post({ type: 'here', at: this.#positions.id, kinds, beat: this.#beat, ...this.#status });
    this.#timers.set('here', this.#beat, () => this.#here());
  }

  #won() {
    this.#timers.clear('silence');
    this.leading = true;
    this.#waiting = [];
    this.#fetching = false;
    this.#owner.lead();
  }

  #lost() {
    this.leading = false;
    this.#timers.clear('here');
    this.#owner.follow();
    this.#election.stand();
    this.#follow();
  }

  // What a follower does.

  #follow() {
    this.#leader = null;
    this.#post({ type: 'hello' });
    this.#listen();
  }

  // Takes over from a leader that says nothing: frozen, or stuck. Followers do not do so all at once.
  #listen() {
    const patience = this.#beat * (SILENT_BEATS + this.#env.random());
    this.#timers.set('silence', patience, () => {
      this.#listen();
      this.#election.stand(true);
    });
  }

  #hear(message) {
    if (message.org !== this.#org || !this.#channel) return;
    if (this.leading) {
      if (message.type === 'hello') this.#here();
      return;
    }
    if (message.type === 'hello') return;
    if (message.type === 'here') {
      this.#leader = message;
      this.#beat = message.beat;
      if (this.#differs()) {
        this.#owner.alone();
        return;
      }
      if (this.#behind && message.state === 'open') this.#catchUp();
      else if (this.#behind) this.#owner.state(message.state, message.reason);
    }
    this.#listen();
    if (this.#behind) this.#wait(message);
    else this.#take(message);
  }

  #wait(message) {
    if (this.#waiting.length >= MOST_WAITING) this.#waiting = []; // what is missing then is seen as a hole, and fetched
    this.#waiting.push(message);
  }

  #take(message) {
    const positions = this.#positions;
    if (!positions.last) positions.move(message.prev ?? message.at); // this tab begins where the leader is
    if (message.type === 'here') {
      if (message.state === 'open' && !positions.has(message.at)) this.#fellBehind(message);
      else this.#owner.state(message.state, message.reason);
    } else if (message.type === 'gap') {
      this.#owner.give(message);
    } else if (message.prev !== undefined) {
      const step = positions.step(message.prev, message.id);
      if (step === 'hole') this.#fellBehind(message);
      else if (step === 'next') {
        this.#holes = 0;
        this.#owner.give(message);
      }
    } else this.#owner.give(message);
  }

  #fellBehind(message) {
    this.#behind = true;
    if (message) this.#wait(message);
    const delay = this.#holes ? this.#env.random() * Math.min(LONGEST_DELAY, 250 * 2 ** this.#holes) : 0;
    this.#holes = Math.min(this.#holes + 1, 16);
    this.#timers.set('fetch', delay, () => this.#catchUp());
  }

  #catchUp() {
    if (this.#fetching || this.leading || this.#timers.has('fetch')) return;
    this.#fetching = true;
    this.#owner.catchUp();
  }

  // The owner has fetched what was retained; `open` is the stream.open of that: what this tab's own token may see.
  caughtUp(open) {
    this.#fetching = false;
    if (this.leading) return;
    this.#kinds = open.kinds;
    if (this.#differs()) {
      this.#owner.alone();
      return;
    }
    // The leader's account joins one's own where both name a position; all before that was fetched. Where none is, one of the two has not come so far.
    const known = (message) => [message.at, message.prev, message.id].some((id) => id && this.#positions.has(id));
    const joint = this.#positions.last ? this.#waiting.findIndex(known) : 0;
    if (joint < 0 && this.#waiting.length) {
      this.#fellBehind();
      return;
    }
    this.#behind = false;
    for (const message of this.#waiting.splice(0).slice(joint)) {
      if (this.#behind) this.#wait(message);
      else this.#take(message);
    }
    if (!this.#behind && this.#leader) this.#owner.state(this.#leader.state, this.#leader.reason);
  }

  #differs() {
    const theirs = this.#leader?.kinds;
    return theirs !== undefined && this.#kinds !== undefined && JSON.stringify(theirs) !== JSON.stringify(this.#kinds);
  }

  #post(message) {
    this.#channel?.postMessage({ ...message, org: this.#org });
  }
}
