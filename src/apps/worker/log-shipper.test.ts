import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '#core/clock';
import { sequenceIds } from '#core/ids';
import { seededRandom } from '#core/random';
import { ProblemError } from '#platform/contract';
import { type LogAmount, LogShipper, type ShippedLine } from './log-shipper.ts';

/** A shipper to a control plane that answers as `answers` says, one after the other; then it accepts. */
function openShipper(answers: (Error | 'ok')[] | 'away' = [], kept?: LogAmount) {
  const clock = new ManualClock();
  const system = { clock, ids: sequenceIds(), random: seededRandom(1) };
  const received: ShippedLine[][] = [];
  const hurry = new AbortController();
  const holds: boolean[] = [];
  let isAway = answers === 'away';
  const shipper = new LogShipper({
    system,
    hurry: hurry.signal,
    hold: (isHeld) => holds.push(isHeld),
    ...(kept ? { kept } : {}),
    async send(lines) {
      if (isAway) throw new Error('ECONNREFUSED');
      const answer = (answers !== 'away' && answers.shift()) || 'ok';
      if (answer !== 'ok') throw answer;
      received.push(lines);
    },
  });
  const recover = (): void => {
    isAway = false;
  };
  return { clock, shipper, received, hurry, holds, recover };
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

test('a log that is full counts the rest and says so at its end, also while it could take a shorter line', async () => {
  const byLines = openShipper([], { lines: 15, bytes: 1_000 });
  for (let i = 0; i < 8; i++) byLines.shipper.push('stdout', `${i}`);
  byLines.shipper.push('worker', 'threw: no');
  await byLines.shipper.close();
  assert.deepEqual(texts(byLines.received).flat(), [
    ...['0', '1', '2', '3', '4', 'threw: no'],
    '3 lines of output are missing here: the limit is 15 lines and 1000 bytes',
  ]);

  const byBytes = openShipper([], { lines: 100, bytes: 10 });
  for (const text of ['äöü', 'long text', 'x']) byBytes.shipper.push('stdout', text);
  await byBytes.shipper.close();
  assert.deepEqual(texts(byBytes.received).flat(), [
    'äöü',
    '2 lines of output are missing here: the limit is 100 lines and 10 bytes',
  ]);
});

test('batches are bounded by lines and by bytes', async () => {
  const { shipper, received } = openShipper();

  for (let i = 0; i < 4_500; i++) shipper.push('stdout', '');
  for (let i = 0; i < 200; i++) shipper.push('stdout', 'x'.repeat(8_000));
  await shipper.close();

  const sizes = received.map((lines) => lines.length);
  assert.deepEqual(sizes.slice(0, 2), [2_000, 2_000]);
  assert.equal(sizes[2], 565);
  assert.equal(received.flat().length, 4_700);
});

test('a command is held while much waits, and goes on when half of it is sent', async () => {
  const { clock, shipper, received, holds } = openShipper();

  for (let i = 0; i < 10_000; i++) shipper.push('stdout', `${i}`);
  assert.deepEqual(holds, [true]);
  await clock.advance(200);

  assert.deepEqual(holds, [true, false]);
  assert.equal(received.flat().length, 10_000);
});

test('a command is held for half a minute at most, then what does not fit is counted where it is missing', async () => {
  const { clock, shipper, received, holds, recover } = openShipper('away');

  for (let i = 0; i < 10_000; i++) shipper.push('stdout', `${i}`);
  await clock.advance(30_000);
  assert.deepEqual(holds, [true, false]);
  for (let i = 10_000; i < 300_002; i++) shipper.push('stdout', `${i}`);
  recover();
  for (let i = 0; i < 10; i++) await clock.advance(1_000);
  shipper.push('stdout', 'back');
  await shipper.close();

  const lines = received.flat().map(({ text }) => text);
  assert.deepEqual(lines.slice(299_999), [
    '299999',
    '2 lines of output are missing here: the control plane took none for a while',
    'back',
  ]);
  assert.deepEqual(holds, [true, false]);
});

test('a command that is held is let go when its attempt is stale', async () => {
  const { clock, shipper, holds } = openShipper([refusal]);

  for (let i = 0; i < 10_000; i++) shipper.push('stdout', `${i}`);
  await clock.advance(200);

  assert.deepEqual(holds, [true, false]);
});

test('a worker that ends does not wait for a control plane that is gone', async () => {
  const { shipper, received, hurry } = openShipper([new Error('ECONNREFUSED')]);
  shipper.push('stdout', 'a');
  hurry.abort();

  await shipper.close();

  assert.deepEqual(received, []);
});
