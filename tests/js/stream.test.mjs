// One tab's own stream: what it does at each end that a connection can have.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Stream } from './redline/stream.js';
import { World, settle, watch } from './world.mjs';

const SOON = '2026-11-22T10:00:30.000Z';

async function opened(options = {}, world = new World()) {
  const tokens = { asked: 0, next: () => `token-${tokens.asked}` };
  const token = () => {
    tokens.asked += 1;
    return tokens.next();
  };
  const env = world.tab();
  const states = [];
  const stream = new Stream({ token, onstate: (status) => states.push(status.state), ...options }, env);
  const seen = watch(stream);
  await settle();
  return { world, env, stream, seen, tokens, states };
}

test('it asks for what the page asked for', async () => {
  const { world, stream, states } = await opened({ kinds: ['change.*', 'run.stage'], lastEventId: 'e-1' });
  const { url } = world.last;
  assert.equal(url.origin + url.pathname, 'https://redline.example/v1/stream');
  assert.deepEqual(Object.fromEntries(url.searchParams), { token: 'token-1', kinds: 'change.*,run.stage', last_event_id: 'e-1', heartbeat: 'event' });
  assert.equal(stream.status.state, 'connecting');
  world.last.open('e-1');
  await stream.ready;
  assert.deepEqual(states, ['connecting', 'open']);
});

test('a ticket goes where a ticket goes', async () => {
  const { world } = await opened({ token: async () => ({ ticket: 't' }) });
  assert.equal(world.last.param('ticket'), 't');
  assert.equal(world.last.param('token'), null);
});

test('a page whose token function buys tickets gets one for each connection that needs it', async () => {
  let bought = 0;
  const buy = async () => ({ ticket: `ticket-${(bought += 1)}`, expiresAt: SOON, url: `/v1/stream?ticket=ticket-${bought}` });
  const { world, stream, seen } = await opened({ token: buy });
  world.last.open('e-0');
  world.last.event('e-1');
  world.last.cut(); // within its minute the browser comes back with the same ticket
  world.last.open('e-1');
  await settle();
  assert.equal(world.sources.length, 1);
  world.last.cut({ forGood: true }); // after it, with a 401
  await settle();
  assert.equal(world.requests.find((url) => url.pathname === '/v1/stream').searchParams.get('ticket'), 'ticket-1');
  assert.equal(bought, 2);
  assert.equal(world.last.param('ticket'), 'ticket-2');
  assert.equal(world.last.param('token'), null);
  assert.equal(world.last.param('last_event_id'), 'e-1');
  world.last.open('e-1', { expiresAt: SOON });
  world.last.event('e-2');
  world.last.send('stream.expiring', { expiresAt: SOON }); // the end of the token that bought it
  await world.advance(15_000);
  assert.equal(world.last.param('ticket'), 'ticket-3');
  world.last.open('e-2');
  assert.deepEqual([seen.ids, stream.status.state], [['e-1', 'e-2'], 'open']);
});

test('tickets of a token that nobody renews are not bought in a tight loop', async () => {
  let bought = 0;
  let ended = false;
  const { world, stream } = await opened({ token: () => (ended ? null : { ticket: `ticket-${(bought += 1)}` }) });
  for (let at = 0; at < 30_000; at += 500) {
    if (world.last.readyState === 0) {
      world.last.open('e-0', { expiresAt: SOON });
      world.last.send('stream.expiring', { expiresAt: SOON });
    }
    await world.advance(500);
  }
  assert.ok(bought < 20, `${bought} in half a minute`);
  ended = true;
  for (const source of world.open) source.closing('token_expired', false);
  await world.advance(1000);
  assert.deepEqual([stream.status.state, world.open.length], ['refused', 0]);
});

test('handlers get what their pattern takes, and one that fails fails alone', async () => {
  const { world, stream } = await opened();
  const got = [];
  const off = stream.on('change.*', ({ kind }) => got.push(`prefix ${kind}`));
  stream.on('run.stage', () => {
    throw new Error('the page is at fault');
  });
  stream.on('run.stage', ({ data }) => got.push(`name ${data.id}`));
  world.last.open('e-0');
  world.last.event('e-1', 'change.detected');
  world.last.event('e-2', 'run.stage');
  off();
  world.last.event('e-3', 'change.detected');
  assert.deepEqual(got, ['prefix change.detected', 'name e-2']);
  assert.deepEqual(world.errors.map((error) => error.message), ['the page is at fault']);
  assert.equal(stream.lastEventId, 'e-3');
});

test('before a credential ends another stream takes over, and nothing is lost or repeated', async () => {
  const { world, seen, stream, tokens } = await opened();
  const first = world.last;
  first.open('e-0', { expiresAt: SOON });
  first.event('e-1');
  first.send('stream.expiring', { expiresAt: SOON });
  await world.advance(7000);
  assert.equal(tokens.asked, 1, 'not at once: pages of a deployment whose tokens end together do not come together');
  await world.advance(8000);
  assert.equal(tokens.asked, 2);
  const second = world.last;
  assert.notEqual(second, first);
  assert.equal(second.param('last_event_id'), 'e-1');
  assert.equal(second.param('token'), 'token-2');
  first.event('e-2'); // the first goes on until the second has begun
  assert.equal(first.closed, false);
  second.open('e-1');
  assert.equal(first.closed, true);
  second.event('e-2');
  second.event('e-3');
  assert.deepEqual(seen.ids, ['e-1', 'e-2', 'e-3']);
  assert.equal(stream.status.state, 'open');
  assert.equal(stream.lastEventId, 'e-3');
});

test('a second stream that begins behind the first does not move the position back', async () => {
  const { world, stream } = await opened();
  world.last.open('e-0');
  world.last.event('e-1');
  world.last.send('stream.expiring', { expiresAt: SOON });
  await world.advance(15_000);
  world.sources[0].event('e-2');
  world.last.open('e-1');
  assert.equal(stream.lastEventId, 'e-2');
  world.last.send('stream.cursor', { head: 'e-2' }, 'between-1-and-2');
  assert.equal(stream.lastEventId, 'e-2', 'nor does what it passes on its way');
  world.last.event('e-2');
  world.last.send('stream.cursor', { head: 'e-3' }, 'e-3');
  assert.equal(stream.lastEventId, 'e-3');
});

test('while the page has no other token the first stream goes on, and the page is asked again', async () => {
  const { world, tokens, stream } = await opened();
  tokens.next = () => 'the same';
  world.last.open('e-0', { expiresAt: SOON });
  world.last.send('stream.expiring', { expiresAt: SOON });
  tokens.next = () => 'token-1';
  await world.advance(15_000);
  assert.equal(world.sources.length, 1);
  assert.equal(tokens.asked, 2);
  await world.advance(6000);
  assert.equal(tokens.asked, 3);
  assert.equal(stream.status.state, 'open');
  tokens.next = () => 'another';
  await world.advance(6000);
  assert.equal(world.last.param('token'), 'another');
});

test('an end that is not retryable asks for another token, once', async () => {
  const { world, tokens, stream, seen } = await opened();
  world.last.open('e-0');
  world.last.event('e-1');
  world.last.closing('token_expired', false);
  assert.equal(world.last.closed, true, 'the browser would come back with the same URL');
  await settle();
  assert.equal(world.last.param('last_event_id'), 'e-1');
  assert.equal(world.last.param('token'), 'token-2');
  world.last.cut({ forGood: true });
  await settle();
  assert.equal(stream.status.state, 'refused');
  assert.equal(stream.status.error.code, 'unauthenticated');
  assert.equal(tokens.asked, 2);
  await world.advance(600_000);
  assert.equal(world.sources.length, 2);
  stream.reconnect();
  await settle();
  world.last.open('e-1');
  world.last.event('e-2');
  assert.equal(stream.status.state, 'open');
  assert.equal(world.last.param('last_event_id'), 'e-1');
  assert.deepEqual(seen.ids, ['e-1', 'e-2']);
});

test('the same token again is refused without another request', async () => {
  const { world, tokens, stream } = await opened();
  tokens.next = () => 'token-1';
  world.last.open('e-0');
  world.last.closing('token_revoked', false);
  await settle();
  assert.equal(stream.status.state, 'refused');
  assert.equal(world.sources.length, 1);
});

test('a page without a token is refused', async () => {
  const { world, stream } = await opened({ token: () => null });
  assert.equal(stream.status.state, 'refused');
  assert.equal(world.sources.length, 0);
});

test('a 401 at the start asks once more; another one is the end', async () => {
  const { world, tokens, stream } = await opened();
  world.last.cut({ forGood: true });
  await settle();
  assert.equal(tokens.asked, 2);
  assert.equal(world.last.param('token'), 'token-2');
  world.last.cut({ forGood: true });
  await settle();
  assert.deepEqual([stream.status.state, stream.status.error.message], ['refused', 'The token has expired.']);
});

for (const status of [400, 403, 404]) {
  test(`a ${status} is the end, and says why`, async () => {
    const { world, stream } = await opened();
    world.refusal = { status, body: { error: { code: 'forbidden', message: 'Ask for the scope stream:read.' } } };
    world.last.cut({ forGood: true });
    await settle();
    assert.deepEqual([stream.status.state, stream.status.error.message], ['refused', 'Ask for the scope stream:read.']);
    assert.equal(world.requests.at(-1).searchParams.get('follow'), 'false', 'a stream is not opened to be asked');
  });
}

for (const status of [0, 200, 429, 500, 503]) {
  test(`a ${status || 'dead network'} is tried again`, async () => {
    const { world, stream } = await opened();
    world.refusal = { status, body: { error: { code: 'over_capacity', message: '…' } }, headers: status === 503 ? { 'Retry-After': '7' } : {} };
    world.last.cut({ forGood: true });
    await settle();
    assert.equal(stream.status.state, 'waiting');
    const floor = status === 503 ? 7000 : 0;
    assert.equal(world.next, floor + 250);
    await world.advance(world.next);
    assert.equal(world.sources.length, 2);
    assert.equal(stream.status.state, 'connecting');
  });
}

test('failures wait longer, and only stream.open ends that', async () => {
  const { world } = await opened();
  world.refusal = { status: 0 };
  world.chance = 1;
  const waits = [];
  for (let failures = 0; failures < 8; failures += 1) {
    world.last.send('stream.closing', { reason: 'over_capacity', retryable: true }); // an answer is no opening
    world.last.cut({ forGood: true });
    await settle();
    waits.push(world.next);
    await world.advance(world.next);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  world.last.open('e-0');
  world.last.cut({ forGood: true });
  await settle();
  assert.equal(world.next, 500);
});

test('what the browser does by itself is left to it', async () => {
  const { world, stream, seen } = await opened();
  const source = world.last;
  source.open('e-0');
  source.event('e-1');
  source.closing('shutdown', true);
  source.cut();
  assert.deepEqual([stream.status.state, stream.status.reason], ['waiting', 'shutdown']);
  await world.advance(10_000);
  assert.equal(world.sources.length, 1);
  source.open('e-1');
  await settle();
  source.event('e-2');
  assert.equal(stream.status.state, 'open');
  assert.deepEqual(seen.ids, ['e-1', 'e-2']);
});

test('silence ends a stream, and the next one goes on from the last id', async () => {
  const { world, stream, states } = await opened();
  world.last.open('e-0');
  world.last.event('e-1');
  await world.advance(30_000);
  world.last.send('stream.heartbeat', { head: 'e-1' });
  await world.advance(37_000);
  assert.equal(stream.status.state, 'open');
  await world.advance(600);
  assert.equal(world.sources[0].closed, true);
  await world.advance(500);
  assert.equal(world.sources.length, 2);
  assert.equal(world.last.param('last_event_id'), 'e-1');
  assert.deepEqual(states, ['connecting', 'open', 'waiting', 'connecting']);
});

test('a request that is never answered is tried anew', async () => {
  const { world } = await opened();
  await world.advance(19_000);
  assert.equal(world.sources.length, 1);
  await world.advance(1500);
  assert.equal(world.sources[0].closed, true);
  assert.equal(world.sources.length, 2);
});

test('a gap calls the page, and what follows is given on whether or not it came before', async () => {
  const gaps = [];
  const { world, seen } = await opened({ gap: (gap) => gaps.push(gap.oldest) });
  world.last.open('e-0');
  world.last.event('e-1');
  world.last.open('e-9', { id: '' });
  await settle();
  world.last.gap('e-1', 'f-2', 'e-0');
  world.last.event('e-1');
  world.last.event('f-2');
  assert.deepEqual(gaps, ['e-1']);
  assert.equal(seen.gaps.length, 1);
  assert.deepEqual(seen.ids, ['e-1', 'e-1', 'f-2']);
});

test('a filtered reader moves with stream.cursor', async () => {
  const { world, stream } = await opened({ kinds: ['run.stage'] });
  world.last.open('e-0');
  world.last.send('stream.cursor', { head: 'e-7' }, 'e-7');
  assert.equal(stream.lastEventId, 'e-7');
});

test('kinds that a restarted server brings along are not missed', async () => {
  const { world, seen } = await opened();
  const source = world.last;
  source.open('e-0');
  source.event('e-1');
  source.cut();
  world.kinds = [...world.kinds, 'brand.new'];
  source.open('e-1');
  assert.equal(source.event('e-2', 'brand.new'), false, 'nobody listens yet');
  source.event('e-3');
  assert.deepEqual(seen.ids, ['e-1'], 'held, until it is known what it may lack');
  await settle();
  assert.equal(source.closed, true);
  assert.equal(world.last.param('last_event_id'), 'e-1');
  world.last.open('e-1');
  world.last.event('e-2', 'brand.new');
  world.last.event('e-3');
  assert.deepEqual(seen.ids, ['e-1', 'e-2', 'e-3']);
});

test('what is held when the connection is cut is asked for again', async () => {
  const { world, seen } = await opened();
  const source = world.last;
  source.open('e-0');
  source.cut();
  source.open('e-0');
  source.event('e-1');
  source.cut(); // the browser would go on after e-1
  assert.equal(source.closed, true);
  await world.advance(1000);
  assert.equal(world.last.param('last_event_id'), 'e-0');
  world.last.open('e-0');
  world.last.event('e-1');
  assert.deepEqual(seen.ids, ['e-1']);
});

test('a token callback that fails is asked again', async () => {
  const { world, tokens, stream } = await opened({}, new World());
  tokens.next = () => {
    throw new Error('the login service is down');
  };
  world.last.open('e-0');
  world.last.closing('token_expired', false);
  await settle();
  assert.equal(stream.status.state, 'waiting');
  tokens.next = () => 'fresh';
  await world.advance(500);
  assert.equal(world.last.param('token'), 'fresh');
});

for (const [options, patience] of [[{}, 30_000], [{ tokenTimeout: 5_000 }, 5_000]]) {
  test(`a token callback that has not answered after ${patience} ms has failed`, async () => {
    const world = new World();
    const answers = [];
    const token = () => new Promise((resolve) => answers.push(resolve));
    const { stream } = await opened({ token, ...options }, world);
    await world.advance(patience - 1);
    assert.deepEqual([answers.length, stream.status.state], [1, 'connecting']);
    await world.advance(1);
    assert.deepEqual([stream.status.state, stream.status.reason], ['waiting', 'unreachable']);
    await world.advance(500);
    assert.equal(answers.length, 2);
    answers[0]('too late');
    await settle();
    assert.equal(world.sources.length, 0);
    await world.advance(patience); // what was too late has not taken the patience of the next one with it
    await world.advance(1000);
    assert.equal(answers.length, 3);
    answers[2]('fresh');
    await settle();
    assert.equal(world.last.param('token'), 'fresh');
    world.last.open('e-0');
    await world.advance(patience);
    assert.equal(stream.status.state, 'open');
  });
}

test('while a renewal has no answer the stream that there is goes on', async () => {
  const { world, tokens, stream, seen } = await opened();
  world.last.open('e-0', { expiresAt: SOON });
  tokens.next = () => new Promise(() => {});
  world.last.send('stream.expiring', { expiresAt: SOON });
  await world.advance(29_000);
  world.last.event('e-1');
  assert.deepEqual(seen.ids, ['e-1']);
  tokens.next = () => 'fresh';
  world.last.closing('token_expired', false);
  await world.advance(32_000);
  assert.equal(world.last.param('token'), 'fresh');
  world.last.open('e-1');
  assert.equal(stream.status.state, 'open');
});

test('a frozen page lets its connection go, and comes back from its last id', async () => {
  const { world, env, stream, seen } = await opened();
  world.last.open('e-0');
  world.last.event('e-1');
  env.page.suspend();
  assert.equal(world.open.length, 0);
  assert.deepEqual([stream.status.state, stream.status.reason], ['waiting', 'suspended']);
  await world.advance(600_000);
  assert.equal(world.sources.length, 1);
  env.page.resume();
  env.page.resume();
  await settle();
  assert.equal(world.sources.length, 2);
  world.last.open('e-1');
  world.last.event('e-2');
  assert.deepEqual(seen.ids, ['e-1', 'e-2']);
});

test('another network gets another stream, beside the one that may be dead', async () => {
  const { world, env } = await opened();
  world.last.open('e-0');
  env.page.wake(true);
  await world.advance(1000);
  assert.equal(world.open.length, 2);
  world.last.open('e-0');
  assert.equal(world.open.length, 1);
});

test('a page that is looked at again does not wait for its turn', async () => {
  const { world, env } = await opened();
  world.refusal = { status: 0 };
  world.last.cut({ forGood: true });
  await settle();
  env.page.wake(false);
  await world.advance(0);
  assert.equal(world.sources.length, 2);
});

test('a closed stream stays closed', async () => {
  const { world, stream, seen, states } = await opened();
  const source = world.last;
  source.open('e-0');
  stream.close();
  source.event('e-1');
  await world.advance(600_000);
  assert.equal(world.sources.length, 1);
  assert.deepEqual(seen.ids, []);
  assert.deepEqual(states, ['connecting', 'open', 'closed']);
  assert.throws(() => stream.reconnect(), /closed/);
});

test('a stream that is closed while it asks for a token opens nothing', async () => {
  const world = new World();
  let give;
  const stream = new Stream({ token: () => new Promise((resolve) => (give = resolve)) }, world.tab());
  stream.close();
  give('late');
  await settle();
  assert.equal(world.sources.length, 0);
});

test('options that cannot be meant are refused by name', () => {
  const env = new World().tab();
  const token = () => 'x';
  const wrong = [
    [undefined, /token/],
    [{ token: 'x' }, /token/],
    [{ token, kinds: [] }, /kinds/],
    [{ token, kinds: 'run.stage' }, /kinds/],
    [{ token, kinds: ['*'] }, /kinds/],
    [{ token, kinds: ['stream.open'] }, /kinds/],
    [{ token, kinds: ['Nope'] }, /Nope/],
    [{ token, gap: 1 }, /gap/],
    [{ token, onstate: 1 }, /onstate/],
    [{ token, lastEventId: 7 }, /lastEventId/],
    [{ token, tokenTimeout: 0 }, /tokenTimeout/],
    [{ token, tokenTimeout: '5' }, /tokenTimeout/],
    [{ token, tokenTimeout: 2 ** 31 }, /tokenTimeout/],
    [{ token, share: 'acme' }, /share/],
    [{ token, share: { org: 'acme' } }, /share/],
    [{ token, share: { org: '', user: 'u' } }, /share/],
  ];
  for (const [options, message] of wrong) assert.throws(() => new Stream(options, env), message);
});
