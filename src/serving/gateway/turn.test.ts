import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextPoll } from 'node:timers/promises';
import { atEndOfTurn } from './turn.ts';

/** Takes what arrives and tells what was together in a turn. */
function openTurns() {
  const turns: string[][] = [];
  let waiting: string[] = [];
  const arrive = (id: string): void => {
    waiting.push(id);
    if (waiting.length > 1) return;
    atEndOfTurn({
      arrived: () => waiting.length,
      end() {
        turns.push(waiting);
        waiting = [];
      },
    });
  };
  const over = async (): Promise<void> => {
    while (waiting.length > 0) await nextPoll();
  };
  return { turns, arrive, over };
}

test('what each poll of a turn brings is together, until polls bring nothing', async () => {
  const { turns, arrive, over } = openTurns();

  for (const id of ['a', 'b', 'c']) {
    arrive(id);
    await nextPoll();
  }
  await over();
  arrive('d');
  await over();

  assert.deepEqual(turns, [['a', 'b', 'c'], ['d']]);
});

test('a turn ends however much arrives', async () => {
  const { turns, arrive, over } = openTurns();

  for (let i = 0; i < 40; i++) {
    arrive(`${i}`);
    await nextPoll();
  }
  await over();

  assert.equal(turns.flat().length, 40);
  assert.ok(turns.length >= 4 && turns.every(({ length }) => length <= 9), JSON.stringify(turns));
});
