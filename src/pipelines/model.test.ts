import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AttemptStatus,
  decide,
  EPOCHS_MAX,
  type Fact,
  isFinalRun,
  isFinalStep,
  LOSSES_MAX,
  type RunState,
  type StepState,
  TRANSITIONS,
} from './model.ts';

const step = (name: string, change: Partial<StepState> = {}): StepState => ({
  name,
  status: 'queued',
  needs: [],
  epoch: 0,
  retries: 2,
  failures: 0,
  losses: 0,
  preemptible: 0,
  preemptions: 0,
  withinMs: null,
  deadlineAt: null,
  onFailure: false,
  readyAt: null,
  reason: null,
  ...change,
});

/** Applies facts in turn; one that is stale is a mistake of the test. */
function after(steps: readonly StepState[], ...facts: readonly Fact[]): RunState {
  let run: RunState = { status: 'queued', paused: false, steps };
  for (const fact of [{ type: 'started', now: 0 } as const, ...facts]) {
    const decision = decide(run, fact);
    assert.ok(decision !== 'stale', `stale: ${JSON.stringify(fact)}`);
    run = decision.run;
  }
  return run;
}

const leased = (name: string, now = 2): Fact => ({ type: 'leased', step: name, now });
const succeeded = (name: string, epoch = 1): Fact => ({ type: 'succeeded', step: name, epoch, now: 2 });
const failed = (name: string, epoch = 1, kind: 'threw' | 'missing-output' = 'threw'): Fact => {
  return { type: 'failed', step: name, epoch, now: 2, kind, message: 'no', delayMs: 100 };
};
const expired = (name: string, epoch: number): Fact => ({ type: 'expired', step: name, epoch, now: 2 });
const cancelled: Fact = { type: 'cancelled', reason: 'enough', now: 2 };
const statuses = (run: RunState): string[] => run.steps.map((item) => item.status);

test('a step becomes ready when everything it needs has succeeded or was cached', () => {
  const steps = [step('a'), step('b'), step('c', { needs: ['a', 'b'] })];

  const half = after(steps, leased('a'), succeeded('a'));
  const whole = after(steps, leased('a'), succeeded('a'), { type: 'hit', step: 'b', now: 3 });

  assert.equal(half.steps[2]?.readyAt, null);
  assert.equal(whole.steps[2]?.readyAt, 3);
});

test('a failure is tried again after its delay until the retries are used, then fails the run', () => {
  const once = after([step('a', { retries: 1 })], leased('a'), failed('a'));
  assert.equal(once.steps[0]?.status, 'queued');
  assert.equal(once.steps[0]?.readyAt, 102);
  assert.equal(decide(once, leased('a', 101)), 'stale');

  const twice = after([step('a', { retries: 1 })], leased('a'), failed('a'), leased('a', 102), failed('a', 2));
  assert.deepEqual([twice.status, ...statuses(twice)], ['failed', 'failed']);
});

test('a step that ended well without its outputs is not tried again', () => {
  const run = after([step('a')], leased('a'), failed('a', 1, 'missing-output'));

  assert.deepEqual(statuses(run), ['failed']);
});

test('a failed step skips all that needs it, directly or not, and nothing else', () => {
  const steps = [
    step('late', { needs: ['mid'] }),
    step('mid', { needs: ['a'] }),
    step('a', { retries: 0 }),
    step('other'),
  ];

  const run = after(steps, leased('a'), failed('a'));
  assert.deepEqual(statuses(run), ['skipped', 'skipped', 'failed', 'queued']);
  assert.equal(run.steps[0]?.reason, "step 'mid' skipped");
  assert.equal(run.status, 'running');

  const over = after(steps, leased('a'), failed('a'), leased('other'), succeeded('other'));
  assert.equal(over.status, 'failed');
});

test('a lost worker does not use up retries, but a step may lose only so many', () => {
  let run = after([step('a', { retries: 0 })]);
  for (let epoch = 1; epoch <= LOSSES_MAX + 1; epoch++) {
    assert.equal(run.steps[0]?.status, 'queued');
    run = after(run.steps, leased('a'), expired('a', epoch));
  }

  assert.equal(run.steps[0]?.status, 'failed');
  assert.match(run.steps[0]?.reason ?? '', /worker-lost/);
});

test('a report of another epoch is stale, whatever it says', () => {
  const run = after([step('a')], leased('a'), expired('a', 1), leased('a'));

  for (const fact of [succeeded('a', 1), failed('a', 1), expired('a', 1), succeeded('a', 3)]) {
    assert.equal(decide(run, fact), 'stale');
  }
  assert.notEqual(decide(run, succeeded('a', 2)), 'stale');
});

test('cancelling ends what waits at once and waits for what runs', () => {
  const cancelling = after([step('a'), step('b', { needs: ['a'] })], leased('a'), cancelled);
  const stopped = decide(cancelling, { type: 'stopped', step: 'a', epoch: 1, now: 3 });
  const lost = decide(cancelling, { type: 'expired', step: 'a', epoch: 1, now: 3 });

  assert.deepEqual([cancelling.status, ...statuses(cancelling)], ['cancelling', 'running', 'cancelled']);
  assert.ok(stopped !== 'stale' && lost !== 'stale');
  assert.deepEqual([stopped.run.status, stopped.attempt], ['cancelled', 'cancelled']);
  assert.deepEqual([lost.run.status, lost.attempt], ['cancelled', 'lost']);
});

test('a run whose steps are all cached succeeds without having run', () => {
  const run = after([step('a'), step('b')], { type: 'hit', step: 'a', now: 1 }, { type: 'hit', step: 'b', now: 1 });

  assert.equal(run.status, 'succeeded');
});

/** Graphs without cycles: a step needs only earlier ones. */
const graphs = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(20), { maxLength: 3 }),
      retries: fc.nat(2),
      hook: fc.constantFrom(false, false, false, true),
    }),
    {
      minLength: 1,
      maxLength: 6,
    },
  )
  .map((items) =>
    items.map(({ needs, retries, hook }, i) => {
      const onFailure = hook && i > 0;
      const work = items.slice(0, i).flatMap((item, n) => (item.hook && n > 0 ? [] : [`s${n}`]));
      const earlier = onFailure || i === 0 ? [] : [...new Set(needs.map((n) => work[n % work.length] as string))];
      return step(`s${i}`, { needs: earlier, retries, onFailure });
    }),
  );

const moves = fc.array(
  fc.record({
    step: fc.nat(5),
    what: fc.constantFrom(
      'lease',
      'lease',
      'lease',
      'finish',
      'finish',
      'fail',
      'break',
      'expire',
      'stop',
      'hit',
      'cancel',
      'open',
      'approve',
      'reject',
      'unmet',
      'expand',
      'units-end',
      'unit-fails',
      'pause',
      'unpause',
    ),
    /** How many epochs behind the report is. */
    lag: fc.constantFrom(0, 0, 0, 1),
  }),
  { maxLength: 80 },
);
const REPORTS = ['finish', 'fail', 'break', 'expire', 'stop'];
type Move = { readonly step: number; readonly what: string; readonly lag: number };

function factOf({ step: index, what, lag }: Move, run: RunState, now: number): Fact {
  const { name, epoch: current } = run.steps[index % run.steps.length] as StepState;
  const epoch = current - lag;
  switch (what) {
    case 'lease':
      return { type: 'leased', step: name, now };
    case 'hit':
      return { type: 'hit', step: name, now };
    case 'finish':
      return { type: 'succeeded', step: name, epoch, now };
    case 'stop':
      return { type: 'stopped', step: name, epoch, now };
    case 'expire':
      return { type: 'expired', step: name, epoch, now };
    case 'open':
      return { type: 'opened', step: name, now, until: now + 5 };
    case 'approve':
    case 'reject':
      return { type: 'decided', step: name, now, ok: what === 'approve', reason: 'looked' };
    case 'expand':
      return { type: 'expanded', step: name, now };
    case 'units-end':
    case 'unit-fails':
      return { type: 'mapped', step: name, now, ok: what === 'units-end', reason: null };
    case 'unmet':
      return { type: 'unmet', step: name, now, reason: 'not met' };
    case 'pause':
    case 'unpause':
      return { type: what === 'pause' ? 'paused' : 'unpaused', now };
    case 'cancel':
      return { type: 'cancelled', reason: 'test', now };
    default: {
      const kind = what === 'fail' ? 'threw' : 'invalid-result';
      return { type: 'failed', step: name, epoch, now, kind, message: 'no', delayMs: 5 };
    }
  }
}

/** Checks one move against everything that must always hold. */
function checkMove(before: RunState, now: RunState, attempt: AttemptStatus | undefined): void {
  if (now.status !== before.status) {
    assert.ok((TRANSITIONS.run[before.status] as readonly string[]).includes(now.status));
  }
  for (const [i, step] of now.steps.entries()) {
    const was = before.steps[i] as StepState;
    if (isFinalStep(was.status)) assert.deepEqual(step, was, 'a final step never changes');
    assert.ok(step.epoch === was.epoch || (step.epoch === was.epoch + 1 && step.status === 'running'));
    if (step.status === 'running') {
      const done = step.needs.every((name) => {
        const status = now.steps.find((other) => other.name === name)?.status;
        return status === 'succeeded' || status === 'cached';
      });
      assert.ok(done, 'a step runs only after everything it needs');
    }
    if (step.status === 'succeeded' && was.status === 'running' && step.epoch > 0) assert.equal(attempt, 'succeeded');
    if (step.epoch > was.epoch) assert.equal(before.paused, false, 'nothing of a paused run is leased');
    if (step.onFailure && step.status === 'running') {
      const others = now.steps.filter((other) => !other.onFailure);
      assert.ok(
        others.every((other) => isFinalStep(other.status)) && others.some((other) => other.status === 'failed'),
      );
    }
  }
  assert.equal(
    isFinalRun(now.status),
    now.steps.every((step) => isFinalStep(step.status)),
    'a run ends with its steps',
  );
}

test('in any order of leases, ends, expiries and cancels, statuses move as the table says and final ones stay', () => {
  fc.assert(
    fc.property(graphs, moves, (steps, sequence) => {
      let run = after(steps);
      for (const [i, move] of sequence.entries()) {
        const decision = decide(run, factOf(move, run, 10 * (i + 1)));
        if (decision === 'stale') continue;
        if (move.lag > 0) assert.ok(!REPORTS.includes(move.what), 'a late report changes nothing');
        checkMove(run, decision.run, decision.attempt);
        run = decision.run;
      }
    }),
    { numRuns: 2_000 },
  );
});

test('every run ends: whoever keeps leasing what is ready gets there in a bounded number of attempts', () => {
  const ends = fc.infiniteStream(fc.constantFrom('finish', 'fail', 'break', 'expire', 'stop'));
  fc.assert(
    fc.property(graphs, ends, (steps, outcomes) => {
      let run = after(steps);
      let leases = 0;
      for (let now = 10; !isFinalRun(run.status); now += 10) {
        const index = run.steps.findIndex((item) => item.status === 'queued' && item.readyAt !== null);
        assert.ok(index >= 0, 'a run that is not over has a step to lease');
        for (const what of ['lease', outcomes.next().value as string]) {
          const decision = decide(run, factOf({ step: index, what, lag: 0 }, run, now));
          assert.ok(decision !== 'stale');
          run = decision.run;
        }
        leases++;
        assert.ok(leases <= steps.length * EPOCHS_MAX);
      }
    }),
    { numRuns: 200 },
  );
});

test('a pre-emptible step is lost so often without that counting, however its worker was taken away', () => {
  const attempt = (epoch: number, type: 'expired' | 'stopped'): Fact[] => [
    { type: 'leased', step: 'a', now: epoch },
    { type, step: 'a', epoch, now: epoch },
  ];
  const taken = after([step('a', { preemptible: 2 })], ...attempt(1, 'expired'), ...attempt(2, 'stopped'));
  assert.deepEqual([taken.steps[0]?.preemptions, taken.steps[0]?.losses], [2, 0]);
  assert.equal(taken.steps[0]?.reason, 'pre-empted (2 of 2 times)');

  const lost = Array.from({ length: LOSSES_MAX + 3 }, (_, i) => attempt(i + 1, 'expired')).flat();
  const over = after([step('a', { preemptible: 2 })], ...lost);
  assert.deepEqual([over.status, over.steps[0]?.preemptions, over.steps[0]?.losses], ['failed', 2, LOSSES_MAX + 1]);
});

test('a step has its time over all attempts, from the start of the first', () => {
  const leased = { type: 'leased', step: 'a', now: 1_000 } as const;
  const running = after([step('a', { withinMs: 500 })], leased);
  assert.equal(running.steps[0]?.deadlineAt, 1_500);
  const failed = { type: 'failed', step: 'a', epoch: 1, now: 1_200, kind: 'threw', message: 'no' } as const;

  const waits = after([step('a', { withinMs: 500 })], leased, { ...failed, delayMs: 299 });
  assert.deepEqual([waits.steps[0]?.status, waits.steps[0]?.readyAt], ['queued', 1_499]);
  assert.equal(decide(waits, { type: 'overdue', step: 'a', now: 1_499 }), 'stale');
  assert.equal(decide(waits, { type: 'leased', step: 'a', now: 1_500 }), 'stale');
  const over = decide(waits, { type: 'overdue', step: 'a', now: 1_500 });
  assert.ok(over !== 'stale');
  assert.equal(over.run.status, 'failed');
  const words = 'timeout: no attempt succeeded within the 500 ms that the step has; before: threw: no';
  assert.equal(over.run.steps[0]?.reason, words);

  const late = after([step('a', { withinMs: 500 })], leased, { ...failed, delayMs: 300 });
  assert.deepEqual([late.steps[0]?.status, late.steps[0]?.reason], ['failed', words]);
});
