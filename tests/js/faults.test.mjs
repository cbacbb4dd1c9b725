// Everything at once, by chance: cuts, refusals, silence, tokens that end, tabs that come, freeze and go, and messages between them that are lost.
// The law held here: each tab sees every event from its start to the end, once and in order. A run is its seed's alone.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Stream } from './redline/stream.js';
import { World, watch } from './world.mjs';

const SEEDS = Number(process.env.SEEDS ?? 40);
const FIRST = Number(process.env.FIRST_SEED ?? 0);
const STEPS = 250;
const WARNING = 30_000;
const BEGAN = Date.parse('2026-11-22T10:00:00.000Z');

function chances(seed) {
  let state = seed + 1;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// The service: one org's log, and what it sends to each stream.
class Service {
  log = ['e-0'];
  readers = new Map();

  constructor(world, random) {
    this.world = world;
    this.random = random;
    world.refusal = (url) =>
      this.valid(url.searchParams.get('token')) ? { status: 200, body: {} } : { status: 401, body: { error: { code: 'unauthenticated', message: '…' } } };
  }

  token() {
    return `ends-${Math.round(this.world.time + 20_000 + this.random() * 100_000)}`;
  }

  end(token) {
    return Number(token.slice(5));
  }

  valid(token) {
    return this.end(token) > this.world.time;
  }

  wanted(id) {
    return Number(id.slice(2)) % 3 !== 0; // the others are of a kind that nobody asks for
  }

  publish() {
    this.log.push(`e-${this.log.length}`);
  }

  step(calm) {
    for (const source of this.world.sources) {
      if (source.closed || source.tab.frozen) continue;
      const reader = this.readers.get(source);
      if (!reader?.open) {
        if (calm || this.random() < 0.5) this.accept(source, calm);
      } else if (!calm && this.random() < 0.03) this.cut(source, reader, this.random() < 0.3);
      else this.serve(source, reader, calm);
    }
  }

  accept(source, calm) {
    const token = source.param('token');
    if (!this.valid(token) || (!calm && this.random() < 0.05)) {
      source.cut({ forGood: true });
      return;
    }
    const asked = this.readers.get(source)?.committed ?? source.param('last_event_id');
    const at = asked === 'earliest' ? 0 : asked ? this.log.indexOf(asked) : this.log.length - 1;
    assert.notEqual(at, -1, `the page has never had ${asked}`);
    const reader = { open: true, at, committed: this.log[at], beat: this.world.time, until: source.param('follow') === 'false' ? this.log.length : Infinity };
    this.readers.set(source, reader);
    const expiresAt = new Date(BEGAN + this.end(token)).toISOString();
    source.open(this.log[at], { head: this.log.at(-1), expiresAt, kinds: ['run.stage'] });
  }

  serve(source, reader, calm) {
    const left = this.end(source.param('token')) - this.world.time;
    if (left <= 0) {
      source.closing('token_expired', false);
      return;
    }
    if (left <= WARNING && !reader.warned) {
      reader.warned = true;
      source.send('stream.expiring', { expiresAt: new Date(BEGAN + this.end(source.param('token'))).toISOString() });
    }
    if (this.world.time - reader.beat >= 15_000) {
      reader.beat = this.world.time;
      source.send('stream.heartbeat', { head: this.log.at(-1) });
    }
    let withheld = false;
    while (!source.closed && reader.at + 1 < Math.min(this.log.length, reader.until) && (calm || this.random() < 0.8)) {
      reader.at += 1;
      const id = this.log[reader.at];
      withheld = !this.wanted(id);
      if (!withheld) source.event(id);
      if (!withheld) reader.committed = id;
    }
    const id = this.log[reader.at];
    if (withheld && !source.closed && this.random() < 0.5) {
      source.send('stream.cursor', { head: id }, id);
      reader.committed = id;
    }
    if (!source.closed && reader.at + 1 >= reader.until) {
      source.send('stream.closing', { reason: 'end_of_history', retryable: true }, id);
      this.cut(source, reader, false);
    }
  }

  cut(source, reader, forGood) {
    reader.open = false;
    source.cut({ forGood });
  }
}

async function run(seed) {
  const random = chances(seed);
  const world = new World();
  const service = new Service(world, random);
  const tabs = [];
  const share = random() < 0.8 ? { org: 'acme', user: 'ada' } : undefined;
  let calm = false;
  world.deaf = () => !calm && random() < 0.03;
  const openTab = () => {
    const lastEventId = random() < 0.4 ? service.log[Math.floor(random() * service.log.length)] : random() < 0.2 ? 'earliest' : undefined;
    const env = Object.assign(world.tab(), { random });
    const token = () => {
      if (!calm && random() < 0.1) throw new Error('the login service is down');
      return service.token();
    };
    const stream = new Stream({ token, share, lastEventId, kinds: ['run.stage'] }, env);
    tabs.push({ env, stream, seen: watch(stream), lastEventId, suspended: false });
  };
  for (let step = 0; step < STEPS; step += 1) {
    if (tabs.length < 1 || (tabs.length < 5 && random() < 0.05)) openTab();
    if (random() < 0.5) service.publish();
    const tab = tabs[Math.floor(random() * tabs.length)];
    const fate = random();
    if (fate < 0.01) {
      world.kill(tab.env);
      tabs.splice(tabs.indexOf(tab), 1);
    } else if (fate < 0.03) tab.env.frozen = !tab.env.frozen;
    else if (fate < 0.06) {
      tab.suspended = !tab.suspended;
      if (tab.suspended) tab.env.page.suspend();
      else tab.env.page.resume();
    } else if (fate < 0.07) tab.env.page.wake(random() < 0.5);
    else if (fate < 0.08) tab.stream.reconnect();
    await world.advance(random() < 0.1 ? 40_000 * random() : 500 * random());
    service.step(false);
  }
  calm = true;
  for (const tab of tabs) {
    tab.env.frozen = false;
    if (tab.suspended) tab.env.page.resume();
    if (tab.stream.status.state === 'refused') tab.stream.reconnect();
  }
  for (let turn = 0; turn < 80; turn += 1) {
    if (turn === 40) for (let number = 0; number < 3; number += 1) service.publish();
    await world.advance(2000);
    service.step(true);
  }
  const all = service.log.filter((id) => service.wanted(id));
  for (const { seen, stream, lastEventId } of tabs) {
    const first = lastEventId === 'earliest' ? 'e-0' : lastEventId;
    const from = first === undefined ? all.indexOf(seen.ids[0]) : all.findIndex((id) => Number(id.slice(2)) > Number(first.slice(2)));
    assert.deepEqual(seen.ids, all.slice(from), `${stream.status.state} ${stream.status.reason}`);
    assert.equal(seen.gaps.length, 0);
    assert.equal(stream.status.state, 'open');
  }
  assert.deepEqual(world.errors, []);
  if (share) {
    const streams = world.open.filter((source) => source.param('follow') === null);
    assert.equal(new Set(streams.map((source) => source.tab)).size, tabs.length ? 1 : 0, 'one tab has the stream of all');
  }
}

test('by chance', async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
    try {
      await run(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
    }
  }
});
