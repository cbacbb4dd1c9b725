// Several tabs and one stream: who has it, who hears it, and what happens when that ends.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Stream } from './redline/stream.js';
import { World, settle, watch } from './world.mjs';

const share = { org: 'acme', user: 'ada' };

function open(world, options = {}, token = 'acme-token') {
  const env = world.tab();
  const stream = new Stream({ token: () => token, share, ...options }, env);
  return { env, stream, seen: watch(stream) };
}

// The follower's own request: what it has missed, and whether it may hear anything at all.
function answerCatchUp(source, cursor, { events = [], head = events.at(-1) ?? cursor, ...open } = {}) {
  assert.equal(source.param('follow'), 'false');
  source.open(cursor, { head, ...open });
  for (const id of events) source.event(id);
  source.send('stream.closing', { reason: 'end_of_history', retryable: true }, head);
}

// Two tabs, of which the first leads; both stand at e-0.
async function two(options = {}, world = new World()) {
  const first = open(world, options);
  await settle();
  world.last.open('e-0');
  await settle();
  const second = open(world, options);
  await settle();
  answerCatchUp(world.last, 'e-0');
  await settle();
  return { world, first, second, source: world.sources[0] };
}

test('two tabs share one stream, and each sees each event once', async () => {
  const { world, first, second, source } = await two();
  assert.deepEqual(world.open, [source]);
  source.event('e-1');
  source.event('e-2', 'change.detected');
  await settle();
  for (const tab of [first, second]) {
    assert.deepEqual(tab.seen.ids, ['e-1', 'e-2']);
    assert.equal(tab.stream.lastEventId, 'e-2');
    assert.equal(tab.stream.status.state, 'open');
    assert.equal(tab.stream.status.shared, true);
  }
  assert.deepEqual([first.stream.status.leading, second.stream.status.leading], [true, false]);
});

test('without a share key, or where the browser cannot, each tab has its own', async () => {
  for (const [options, lacking] of [[{ share: undefined }, {}], [{}, { locks: undefined }], [{}, { BroadcastChannel: undefined }]]) {
    const world = new World();
    for (const number of [1, 2]) {
      const stream = new Stream({ token: () => 't', share, ...options }, Object.assign(world.tab(), lacking));
      await settle();
      world.last.open('e-0');
      assert.equal(world.open.length, number);
      assert.equal(stream.status.shared, false);
    }
    assert.equal(world.channels.size, 0);
  }
});

test('org, user, address and filter part the channels', async () => {
  const world = new World();
  const base = { url: 'https://redline.example/v1/stream' };
  const apart = [
    base,
    { ...base, share: { org: 'globex', user: 'ada' } },
    { ...base, share: { org: 'acme', user: 'bob' } },
    { ...base, share: { org: 'acme","ada', user: '' + 'x' } },
    { ...base, url: 'https://other.example/v1/stream' },
    { ...base, kinds: ['run.stage'] },
    { ...base, kinds: ['run.*'] },
  ];
  for (const options of apart) open(world, options);
  open(world, { ...base, kinds: ['run.*'] }); // this one alone shares
  await settle();
  assert.equal(new Set([...world.channels].map((channel) => channel.name)).size, apart.length);
  assert.equal(world.open.length, apart.length);
});

test('the order in which kinds are named does not part tabs', async () => {
  const world = new World();
  open(world, { kinds: ['run.stage', 'change.detected'] });
  open(world, { kinds: ['change.detected', 'run.stage', 'run.stage'] });
  await settle();
  assert.equal(world.open.length, 1);
});

test('a follower hears nothing before the service has taken its own token', async () => {
  const world = new World();
  open(world);
  await settle();
  world.last.open('e-0');
  const second = open(world);
  await settle();
  const proof = world.last;
  world.sources[0].event('e-1');
  await settle();
  assert.deepEqual(second.seen.ids, []);
  answerCatchUp(proof, 'e-1');
  await settle();
  assert.deepEqual(second.seen.ids, ['e-1'], 'what came meanwhile was kept');
  assert.equal(second.stream.status.state, 'open');
});

for (const [who, token] of [
  ['a follower', 'globex-token'],
  ['a leader', 'acme-token'],
]) {
  test(`two orgs that use one share key by mistake never mix: ${who} is refused`, async () => {
    const world = new World();
    const first = open(world, {}, who === 'a leader' ? 'globex-token' : token);
    await settle();
    if (who === 'a leader') {
      world.last.open('g-0', { org: 'globex' });
      world.last.event('g-1', 'run.stage', 'globex');
      await settle();
      assert.equal(first.stream.status.error.code, 'org_mismatch');
      assert.deepEqual(first.seen.ids, []);
      assert.equal(world.open.length, 0);
      assert.equal(world.channels.size, 0);
      return;
    }
    world.last.open('e-0');
    const second = open(world, {}, token);
    await settle();
    const proof = world.last;
    world.sources[0].event('e-1');
    proof.open('g-0', { org: 'globex' });
    world.sources[0].event('e-2');
    await settle();
    assert.deepEqual(second.seen.ids, []);
    assert.deepEqual(second.seen.control, []);
    assert.deepEqual([second.stream.status.state, second.stream.status.error.code], ['refused', 'org_mismatch']);
    assert.deepEqual(first.seen.ids, ['e-1', 'e-2']);
    assert.equal(world.channels.size, 1);
  });
}

test('a message of another org is none, whoever sends it', async () => {
  const { world, second } = await two();
  const [channel] = world.channels;
  const text = JSON.stringify({ id: 'g-1', kind: 'run.stage', org: 'globex', data: {} });
  const stranger = new (world.tab().BroadcastChannel)(channel.name);
  stranger.postMessage({ type: 'event', prev: 'e-0', id: 'g-1', kind: 'run.stage', text, org: 'globex' });
  await settle();
  assert.deepEqual(second.seen.ids, []);
});

test("a tab that begins now does not take the leader's beginning for its own", async () => {
  const world = new World();
  const first = open(world, { lastEventId: 'earliest' });
  const second = open(world);
  await settle();
  world.sources[0].open('e-0', { head: 'e-2' });
  for (const id of ['e-1', 'e-2']) world.sources[0].event(id);
  await settle();
  answerCatchUp(world.last, 'e-2');
  world.sources[0].event('e-3');
  await settle();
  assert.deepEqual(first.seen.ids, ['e-1', 'e-2', 'e-3']);
  assert.equal(second.stream.status.state, 'open');
  assert.equal(second.seen.ids.at(-1), 'e-3');
  assert.equal(world.sources.length, 2);
});

test('a follower whose token is refused hears nothing', async () => {
  const world = new World();
  open(world);
  await settle();
  world.last.open('e-0');
  const second = open(world);
  await settle();
  world.last.cut({ forGood: true });
  await settle();
  world.sources[0].event('e-1');
  await settle();
  assert.equal(second.stream.status.state, 'refused');
  assert.deepEqual(second.seen.ids, []);
});

test('a follower whose token may see other kinds has a stream of its own', async () => {
  const world = new World();
  open(world);
  await settle();
  world.last.open('e-0', { kinds: ['change.detected', 'run.stage'] });
  const second = open(world);
  await settle();
  answerCatchUp(world.last, 'e-0', { kinds: ['run.stage'] });
  await settle();
  assert.equal(world.last.param('follow'), null);
  world.last.open('e-0', { kinds: ['run.stage'] });
  world.sources[0].event('e-1', 'change.detected');
  await settle();
  assert.deepEqual(second.seen.ids, []);
  assert.equal(second.stream.status.shared, false);
});

test('a tab that joins from an older event fetches what lies between', async () => {
  const { world, source } = await two();
  source.event('e-1');
  source.event('e-2');
  await settle();
  const third = open(world, { lastEventId: 'e-0' });
  await settle();
  const catchUp = world.last;
  assert.equal(catchUp.param('last_event_id'), 'e-0');
  source.event('e-3'); // the leader's word is here before one's own request has come so far
  await settle();
  answerCatchUp(catchUp, 'e-0', { events: ['e-1', 'e-2', 'e-3'] });
  source.event('e-4');
  await settle();
  assert.deepEqual(third.seen.ids, ['e-1', 'e-2', 'e-3', 'e-4']);
  assert.deepEqual(world.open, [source]);
});

test('a request that was answered by a node that lags is made again', async () => {
  const { world, source } = await two();
  source.event('e-1');
  source.event('e-2');
  await settle();
  const third = open(world, { lastEventId: 'e-0' });
  await settle();
  answerCatchUp(world.last, 'e-0', { events: ['e-1'] });
  await settle();
  assert.deepEqual(third.seen.ids, ['e-1']);
  assert.notEqual(third.stream.status.state, 'open');
  await world.advance(1000);
  assert.equal(world.last.param('last_event_id'), 'e-1');
  answerCatchUp(world.last, 'e-1', { events: ['e-2'] });
  await settle();
  assert.deepEqual(third.seen.ids, ['e-1', 'e-2']);
  assert.equal(third.stream.status.state, 'open');
});

test('earliest is all that is retained, also for a follower', async () => {
  const { world, source } = await two();
  source.event('e-1');
  await settle();
  const third = open(world, { lastEventId: 'earliest' });
  await settle();
  assert.equal(world.last.param('last_event_id'), 'earliest');
  answerCatchUp(world.last, 'd-0', { events: ['d-1', 'e-1'] });
  source.event('e-2');
  await settle();
  assert.deepEqual(third.seen.ids, ['d-1', 'e-1', 'e-2']);
});

test('when the leader closes, a follower goes on from its own last id', async () => {
  const { world, first, second, source } = await two();
  source.event('e-1');
  await settle();
  first.stream.close();
  await settle();
  const next = world.last;
  assert.deepEqual(world.open, [next]);
  assert.deepEqual([next.param('last_event_id'), next.param('follow')], ['e-1', null]);
  next.open('e-1');
  next.event('e-2');
  assert.deepEqual(second.seen.ids, ['e-1', 'e-2']);
  assert.equal(second.stream.status.leading, true);
  assert.deepEqual(first.seen.ids, ['e-1']);
});

test('when the leader is gone without a word, a follower goes on', async () => {
  const { world, first, second, source } = await two();
  source.event('e-1');
  await settle();
  world.kill(first.env);
  await settle();
  assert.equal(world.last.param('last_event_id'), 'e-1');
  world.last.open('e-1');
  assert.equal(second.stream.status.leading, true);
});

test('a leader that is frozen lets go, and follows when it is back', async () => {
  const { world, first, second, source } = await two();
  source.event('e-1');
  await settle();
  first.env.page.suspend();
  await settle();
  world.last.open('e-1');
  const leading = world.last;
  leading.event('e-2');
  leading.event('e-3');
  await settle();
  first.env.page.resume();
  await settle();
  assert.equal(world.last.param('last_event_id'), 'e-1');
  answerCatchUp(world.last, 'e-1', { events: ['e-2', 'e-3'] });
  leading.event('e-4');
  await settle();
  for (const tab of [first, second]) assert.deepEqual(tab.seen.ids, ['e-1', 'e-2', 'e-3', 'e-4']);
  assert.deepEqual(world.open, [leading]);
  assert.equal(first.stream.status.leading, false);
});

test('a leader that says nothing is relieved, and yields when it notices', async () => {
  const { world, first, second, source } = await two();
  source.event('e-1');
  await settle();
  first.env.frozen = true; // its timers stand still, and nobody has told it
  await world.advance(60_000);
  const next = world.last;
  assert.equal(next.param('last_event_id'), 'e-1');
  next.open('e-1');
  next.event('e-2');
  await settle();
  assert.equal(second.stream.status.leading, true);
  assert.equal(source.closed, true);
  first.env.frozen = false;
  await settle();
  assert.equal(first.stream.status.leading, false);
  for (const catchUp of world.open.filter((each) => each.param('follow'))) answerCatchUp(catchUp, 'e-1', { events: ['e-2'] });
  await settle();
  next.event('e-3');
  await settle();
  for (const tab of [first, second]) assert.deepEqual(tab.seen.ids, ['e-1', 'e-2', 'e-3']);
});

test('a leader that waits for the server is not silent', async () => {
  const { world, first, second, source } = await two();
  source.closing('shutdown', true);
  source.cut();
  await settle();
  assert.deepEqual([second.stream.status.state, second.stream.status.reason], ['waiting', 'shutdown']);
  await world.advance(50_000);
  assert.equal(first.stream.status.leading, true);
  assert.equal(world.sources.filter((each) => each.tab === second.env && !each.param('follow')).length, 0);
});

test('a message that a follower has missed is seen as a hole, and fetched', async () => {
  const { world, second, source } = await two();
  source.event('e-1');
  await settle();
  world.deaf = (message) => message.id === 'e-2';
  source.event('e-2');
  source.event('e-3');
  await world.advance(0);
  assert.deepEqual(second.seen.ids, ['e-1']);
  assert.equal(world.last.param('last_event_id'), 'e-1');
  source.event('e-4');
  await settle();
  answerCatchUp(world.last, 'e-1', { events: ['e-2', 'e-3', 'e-4'] });
  await settle();
  assert.deepEqual(second.seen.ids, ['e-1', 'e-2', 'e-3', 'e-4']);
});

test('a new leader that stands behind a follower repeats nothing to it', async () => {
  const { world, first, second, source } = await two();
  const third = open(world);
  await settle();
  answerCatchUp(world.last, 'e-0');
  await settle();
  world.deaf = (message, channel) => message.id === 'e-1' && channel.tab === second.env;
  source.event('e-1');
  await settle();
  assert.deepEqual([second.seen.ids, third.seen.ids], [[], ['e-1']]);
  world.kill(first.env);
  await settle();
  const next = world.last;
  assert.equal(second.stream.status.leading, true);
  assert.equal(next.param('last_event_id'), 'e-0');
  next.open('e-0');
  next.event('e-1');
  next.event('e-2');
  await settle();
  assert.deepEqual([second.seen.ids, third.seen.ids], [['e-1', 'e-2'], ['e-1', 'e-2']]);
});

test('a new leader that stands ahead of a follower leaves it no hole', async () => {
  const { world, first, second, source } = await two();
  const third = open(world);
  await settle();
  answerCatchUp(world.last, 'e-0');
  await settle();
  world.deaf = (message, channel) => message.id === 'e-1' && channel.tab === third.env;
  source.event('e-1');
  await settle();
  world.kill(first.env);
  await settle();
  const next = world.last;
  next.open('e-1');
  await world.advance(0);
  const catchUp = world.last;
  assert.deepEqual([catchUp.tab === third.env, catchUp.param('last_event_id')], [true, 'e-0']);
  answerCatchUp(catchUp, 'e-0', { events: ['e-1'] });
  next.event('e-2');
  await settle();
  assert.deepEqual([second.seen.ids, third.seen.ids], [['e-1', 'e-2'], ['e-1', 'e-2']]);
});

test("a leader's gap is everybody's", async () => {
  const { first, second, source } = await two();
  source.event('e-1');
  source.open('f-0', { id: '' });
  await settle();
  source.gap('f-1', 'f-1', 'f-0');
  source.event('f-1');
  await settle();
  for (const tab of [first, second]) {
    assert.equal(tab.seen.gaps.length, 1);
    assert.deepEqual(tab.seen.ids, ['e-1', 'f-1']);
  }
});

test('followers see what the stream says of itself', async () => {
  const { second, source } = await two();
  second.seen.control.length = 0;
  source.send('stream.heartbeat', { head: 'e-0' });
  source.send('stream.cursor', { head: 'e-5' }, 'e-5');
  source.event('e-6');
  await settle();
  assert.deepEqual(second.seen.control, ['stream.heartbeat', 'stream.cursor']);
  assert.equal(second.stream.lastEventId, 'e-6');
});

test('a leader that is refused gives the lock on', async () => {
  const world = new World();
  const first = open(world);
  await settle();
  world.last.open('e-0');
  const second = open(world);
  await settle();
  answerCatchUp(world.last, 'e-0');
  await settle();
  world.sources[0].closing('token_revoked', false);
  await settle();
  assert.equal(first.stream.status.state, 'refused');
  assert.equal(second.stream.status.leading, true);
});
