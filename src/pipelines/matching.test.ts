import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Candidate, couldRun, match, type Offer, type Queue, type StepClass } from './matching.ts';

const ofClass = (change: Partial<StepClass> = {}): StepClass => ({
  labels: {},
  resources: {},
  pool: null,
  project: null,
  ...change,
});
const step = (name: string, change: Partial<Candidate> = {}): Candidate => ({
  run: 'r',
  step: name,
  key: null,
  priority: 0,
  readyAt: 0,
  position: 0,
  ...change,
});
const offer = (change: Partial<Offer> = {}): Offer => ({
  slots: 10,
  labels: {},
  capacity: {},
  held: {},
  pools: new Map(),
  running: new Map(),
  quotas: new Map(),
  now: 0,
  ...change,
});
const queue = (of: StepClass, ...steps: readonly Candidate[]): Queue => ({ class: of, steps });
const names = (taken: readonly Candidate[]): string[] => taken.map((item) => item.step);

test('higher priority comes first, then the longest ready', () => {
  const urgent = queue(ofClass({ labels: { a: 'x' } }), step('urgent', { priority: 5, readyAt: 9 }));
  const others = queue(ofClass(), step('old', { readyAt: 1 }), step('new', { readyAt: 2 }));

  assert.deepEqual(names(match([others, urgent], offer({ labels: { a: 'x' }, slots: 2 }))), ['urgent', 'old']);
});

test('projects take turns: the one with the fewest running steps is next', () => {
  const big = queue(ofClass({ project: 'big' }), ...[1, 2, 3, 4].map((n) => step(`big-${n}`, { readyAt: n })));
  const small = queue(ofClass({ project: 'small' }), ...[5, 6].map((n) => step(`small-${n}`, { readyAt: n })));

  const taken = match([big, small], offer({ slots: 4, running: new Map([['big', 1]]) }));
  assert.deepEqual(names(taken), ['small-5', 'big-1', 'small-6', 'big-2']);
});

test('a project runs no more steps than its quota, and holds up no other', () => {
  const big = queue(ofClass({ project: 'big' }), ...[1, 2, 3].map((n) => step(`big-${n}`, { readyAt: n })));
  const more = queue(ofClass({ project: 'big', labels: { a: 'x' } }), step('big-x', { priority: 9 }));
  const free = queue(ofClass(), step('free', { readyAt: 9 }));
  const at = (running: number) => {
    const limits = { running: new Map([['big', running]]), quotas: new Map([['big', 3]]), labels: { a: 'x' } };
    return names(match([big, more, free], offer(limits)));
  };

  assert.deepEqual(at(1), ['big-x', 'free', 'big-1']);
  assert.deepEqual(at(3), ['free']);
  assert.deepEqual(at(4), ['free'], 'a quota that was lowered takes nothing away');
});

test('what a worker lacks it never gets, and what it has is not given away twice', () => {
  const gpu = queue(ofClass({ resources: { gpu: 1 } }), step('gpu-1'), step('gpu-2'));
  const cpu = queue(ofClass({ resources: { cpu: 2 } }), step('cpu-1'), step('cpu-2'));

  assert.deepEqual(names(match([gpu, cpu], offer({ capacity: { cpu: 5 }, held: { cpu: 2 } }))), ['cpu-1']);
  assert.equal(couldRun({ labels: {}, capacity: { gpu: 1 } }, gpu.class), true);
  assert.equal(couldRun({ labels: {}, capacity: {} }, gpu.class), false);
});

test('a large step is passed over for a minute, then the worker is kept for it', () => {
  const large = queue(ofClass({ resources: { cpu: 4 } }), step('large'));
  const small = queue(ofClass({ resources: { cpu: 1 } }), step('small', { readyAt: 1 }));
  const busy = { capacity: { cpu: 4 }, held: { cpu: 1 } };

  assert.deepEqual(names(match([large, small], offer({ ...busy, now: 59_999 }))), ['small']);
  assert.deepEqual(names(match([large, small], offer({ ...busy, now: 60_000 }))), []);
  assert.deepEqual(names(match([large, small], offer({ ...busy, held: {}, now: 60_000 }))), ['large']);
});

test('a pool serves in order: who wants many slots is not overtaken in it, others are not held up', () => {
  const wide = queue(ofClass({ pool: { name: 'db', slots: 3 } }), step('wide'));
  const narrow = queue(ofClass({ pool: { name: 'db', slots: 1 } }), step('narrow', { readyAt: 1 }));
  const free = queue(ofClass(), step('free', { readyAt: 2 }));

  assert.deepEqual(names(match([wide, narrow, free], offer({ pools: new Map([['db', 2]]) }))), ['free']);
  assert.deepEqual(names(match([wide, narrow, free], offer({ pools: new Map([['db', 4]]) }))), [
    'wide',
    'narrow',
    'free',
  ]);
});

test('of steps that do the same work one is taken', () => {
  const twins = queue(ofClass(), step('a', { key: 'k' }), step('b', { key: 'k' }), step('c', { key: 'l' }));

  assert.deepEqual(names(match([twins], offer())), ['a', 'c']);
});

test('never more than slots, capacity and pools allow, and by priority', () => {
  const classes = fc.record({
    resources: fc.constantFrom({}, { cpu: 1 }, { cpu: 3 }),
    pool: fc.constantFrom(null, { name: 'db', slots: 1 }, { name: 'db', slots: 2 }),
    project: fc.constantFrom(null, 'one', 'two'),
    priorities: fc.array(fc.integer({ min: -2, max: 2 }), { maxLength: 5 }),
  });
  const world = fc.record({
    classes: fc.array(classes, { maxLength: 6 }),
    slots: fc.integer({ min: 1, max: 8 }),
    cpu: fc.nat(6),
    db: fc.nat(4),
  });
  fc.assert(
    fc.property(world, ({ classes: of, slots, cpu, db }) => {
      const queues = of.map(({ priorities, ...rest }, i) => {
        const sorted = priorities.toSorted((a, b) => b - a);
        const steps = sorted.map((priority, n) => step(`${i}-${n}`, { priority, readyAt: n }));
        return queue(ofClass(rest), ...steps);
      });
      const taken = match(queues, offer({ slots, capacity: { cpu }, pools: new Map([['db', db]]), now: 1_000 }));
      const wants = (item: Candidate): StepClass => (queues[Number(item.step.split('-')[0])] as Queue).class;
      const sum = (value: (of: StepClass) => number): number =>
        taken.reduce((all, item) => all + value(wants(item)), 0);
      assert.ok(taken.length <= slots && new Set(names(taken)).size === taken.length);
      assert.ok(sum(({ resources }) => resources['cpu'] ?? 0) <= cpu);
      assert.ok(sum(({ pool }) => pool?.slots ?? 0) <= db);
      const left = queues.flatMap((item) => item.steps).filter((item) => !names(taken).includes(item.step));
      const anywhere = left.filter((item) => wants(item).pool === null && !('cpu' in wants(item).resources));
      if (taken.length < slots) assert.deepEqual(anywhere, [], 'what fits anywhere is not left while there is a slot');
      for (const item of anywhere) assert.ok(taken.every((other) => other.priority >= item.priority));
    }),
    { numRuns: 500 },
  );
});
