import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { ProblemError } from '#platform/contract';
import { LogShipper, type ShippedLine } from './log-shipper.ts';

/** A shipper to a control plane that answers as `answers` says, one after the other; then it accepts. */
function openShipper(answers: (Error | 'ok')[] = []) {
  const clock = new ManualClock();
  const system = { clock, ids: sequenceIds(), random: seededRandom(1) };
  const received: ShippedLine[][] = [];
  const hurry = new AbortController();
  const shipper = new LogShipper({
    system,
    hurry: hurry.signal,
    async send(lines) {
      const answer = answers.shift() ?? 'ok';
      if (answer !== 'ok') throw answer;
      received.push(lines);
    },
  });
  return { clock, shipper, received, hurry };
}

const refusal = new ProblemError({
  type: 'about:blank',
  title: '',
  status: 409,
  detail: '',
  code: 'pipelines/stale-attempt',
});
const texts = (batches: ShippedLine[][]): string[][] => batches.map((lines) => lines.map((line) => line.text));

test('lines that come together are sent together, in order and numbered', async () => {
  const { clock, shipper, received } = openShipper();

  for (const text of ['a', 'b', 'c']) shipper.push('stdout', text);
  assert.equal(received.length, 0);
  await clock.advance(200);

  assert.deepEqual(texts(received), [['a', 'b', 'c']]);
  assert.deepEqual(
    received[0]?.map((line) => line.seq),
    [1, 2, 3],
  );
});

test('a batch that is not answered is sent again, without losing or repeating what follows', async () => {
  const { clock, shipper, received } = openShipper([new Error('ECONNREFUSED'), new Error('ECONNREFUSED')]);

  shipper.push('stdout', 'a');
  await clock.advance(200);
  shipper.push('stdout', 'b');
  for (let i = 0; i < 20; i++) await clock.advance(1_000);
  await shipper.close();

  assert.deepEqual(texts(received).flat(), ['a', 'b']);
});

test('after a refusal nothing more is sent', async () => {
  const { clock, shipper, received } = openShipper([refusal]);

  shipper.push('stdout', 'a');
  await clock.advance(200);
  shipper.push('stdout', 'b');
  await shipper.close();

  assert.deepEqual(received, []);
});

test('what does not fit is counted, and told at the end', async () => {
  const { shipper, received } = openShipper();

  for (let i = 0; i < 10_003; i++) shipper.push('stdout', `${i}`);
  await shipper.close();

  const lines = received.flat();
  assert.equal(lines.length, 10_001);
  assert.equal(received[0]?.length, 500);
  assert.match(lines.at(-1)?.text ?? '', /^3 lines of output are missing/);
});

test('a worker that ends does not wait for a control plane that is gone', async () => {
  const { shipper, received, hurry } = openShipper([new Error('ECONNREFUSED')]);
  shipper.push('stdout', 'a');
  hurry.abort();

  await shipper.close();

  assert.deepEqual(received, []);
});
