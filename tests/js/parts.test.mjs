// The parts that are pure.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Kinds, checkPattern, takes } from './redline/kinds.js';
import { backoff, renewal } from './redline/pace.js';
import { Positions } from './redline/positions.js';
import { World } from './world.mjs';

test('a position is new once', () => {
  const positions = new Positions();
  assert.equal(positions.last, '');
  assert.equal(positions.move('a'), true);
  assert.equal(positions.move('b'), true);
  assert.equal(positions.move('a'), false);
  assert.equal(positions.last, 'b');
  assert.equal(positions.move(''), false);
  assert.equal(positions.move(null), false);
  assert.equal(positions.last, 'b');
});

test('a start is known, but not "earliest", which is no position', () => {
  assert.equal(new Positions('a').has('a'), true);
  const earliest = new Positions('earliest');
  assert.equal(earliest.last, 'earliest');
  assert.equal(earliest.has('earliest'), false);
});

test('a step goes on from what is known, was seen, or shows a hole', () => {
  const positions = new Positions('a');
  positions.move('b');
  positions.move('c');
  assert.equal(positions.step('a', 'b'), 'seen');
  assert.equal(positions.step('c', 'd'), 'next');
  assert.equal(positions.step('b', 'd'), 'next', "another's account may lack a position that carried no event");
  assert.equal(positions.step('x', 'c'), 'seen');
  assert.equal(positions.step('x', 'y'), 'hole');
});

test('a position without an event moves only who stands right before it', () => {
  const positions = new Positions('a');
  positions.pass('a', 'b');
  assert.equal(positions.last, 'b');
  positions.move('d');
  positions.pass('b', 'c');
  assert.equal(positions.last, 'd', 'who is ahead stays there');
  assert.equal(positions.step('c', 'e'), 'next');
  const fresh = new Positions('earliest');
  fresh.pass('earliest', 'a');
  assert.equal(fresh.last, 'a');
});

test('a gap forgets what was seen', () => {
  const positions = new Positions('a');
  positions.restart('z');
  assert.equal(positions.last, 'z');
  assert.equal(positions.has('a'), false);
  assert.equal(positions.move('a'), true);
});

test('what is remembered is bounded, and the oldest goes first', () => {
  const positions = new Positions('', 3);
  for (const id of ['a', 'b', 'c', 'd']) positions.move(id);
  assert.deepEqual(['a', 'b', 'c', 'd'].map((id) => positions.has(id)), [false, true, true, true]);
});

test('a delay is spread from nothing to a bound that doubles, up to half a minute', () => {
  assert.equal(backoff(0, () => 0), 0);
  assert.equal(backoff(0, () => 1), 500);
  assert.equal(backoff(3, () => 1), 4000);
  assert.equal(backoff(3, () => 0.25), 1000);
  assert.equal(backoff(16, () => 1), 30_000);
});

test('a credential is renewed within the first half of what is left of it', () => {
  const now = Date.parse('2026-11-22T10:00:00.000Z');
  assert.equal(renewal('2026-11-22T10:00:30.000Z', now, () => 0), 7500);
  assert.equal(renewal('2026-11-22T10:00:30.000Z', now, () => 1), 15_000);
  assert.equal(renewal('2026-11-22T10:00:04.000Z', now, () => 1), 2000);
});

test('a clock that is wrong makes no tight loop and no long wait', () => {
  const now = Date.parse('2026-11-22T10:00:00.000Z');
  assert.equal(renewal('2026-11-22T09:00:00.000Z', now, () => 0), 500);
  assert.equal(renewal('2026-11-22T12:00:00.000Z', now, () => 1), 15_000);
  assert.equal(renewal('not a time', now, () => 1), 500);
});

test('a pattern is a name, a prefix, or all but the control events', () => {
  assert.equal(takes('run.stage', 'run.stage'), true);
  assert.equal(takes('run.stage', 'run.stages'), false);
  assert.equal(takes('change.*', 'change.detected'), true);
  assert.equal(takes('change.*', 'changes.detected'), false);
  assert.equal(takes('change.*', 'change'), false);
  assert.equal(takes('*', 'run.stage'), true);
  assert.equal(takes('*', 'stream.open'), false);
  assert.equal(takes('stream.*', 'stream.open'), true);
});

test('what is no pattern is refused by name', () => {
  for (const right of ['run.stage', 'change.*', 'org.entitlements.*', '*', 'stream.open']) checkPattern(right);
  for (const wrong of ['', 'Run.stage', 'run.', '.*', 'run*', 'run.*.x', 'a,b', 7, null, undefined]) {
    assert.throws(() => checkPattern(wrong), (error) => error instanceof TypeError && error.message.includes(String(JSON.stringify(wrong))));
  }
});

test('exact names need no catalogue; prefixes and everything do', async () => {
  const world = new World();
  const url = new URL('https://redline.example/v1/kinds');
  assert.deepEqual(await new Kinds(['b.b', 'a.a', 'b.b'], url, world.tab()).names(), ['a.a', 'b.b']);
  assert.equal(world.requests.length, 0);
  assert.deepEqual(await new Kinds(['change.*'], url, world.tab()).names(), ['change.detected', 'change.stateChanged']);
  assert.deepEqual(await new Kinds(null, url, world.tab()).names(), world.kinds);
  assert.equal(world.requests.length, 2);
});
