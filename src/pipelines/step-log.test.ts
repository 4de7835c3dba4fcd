import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from './index.ts';
import { type Db, tables } from './store/tables.ts';
import { command, openPipelines } from './testing.ts';

/** The position before the first line of the first attempt. */
const FIRST = 1_010_000_000;
/** More than one search looks at. */
const MANY = 260_000;
const BATCH = 2_000;

forEachDialect('The log of a step', pipelineMigrations, (open) => {
  test('a log is read after a position over all attempts, a line sent twice is kept once', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), retries: 1 }]);
    const run = await p.start();
    const line = (seq: number, text: string) => ({ seq, at: 5, stream: 'stdout', text }) as const;
    const [first] = await p.lease();
    await p.service.appendLog(first!.attempt, 1, [line(1, 'one'), line(2, 'tw\0o')]);
    await p.service.appendLog(first!.attempt, 1, [line(2, 'twice'), line(3, 'three')]);
    await p.fail(first!);
    await p.clock.advance(1_000);
    const [second] = await p.lease();
    await p.service.appendLog(second!.attempt, 2, [line(1, 'again')]);

    const head = await p.service.stepLog(run, 'a', { after: 0, limit: 2 });
    const tail = await p.service.stepLog(run, 'a', { after: head.next, limit: 10 });
    await p.succeed(second!);
    const end = await p.service.stepLog(run, 'a', { after: tail.next, limit: 10 });

    assert.deepEqual(
      head.items.map((item) => item.text),
      ['one', 'tw\uFFFDo'],
    );
    assert.deepEqual(
      tail.items.map((item) => [item.epoch, item.number, item.text]),
      [
        [1, 3, 'three'],
        [2, 1, 'again'],
      ],
    );
    assert.deepEqual([tail.done, end.items, end.done], [false, [], true]);
  });

  test('a log is read backwards from its end, and searched, where % and _ stand for themselves', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);
    const run = await p.start();
    const [attempt] = await p.lease();
    const texts = ['Epoch 1', 'loss_a 10 %', 'epoch 2', 'loss-a 9', 'EPOCH 3', 'end!'];
    const lines = texts.map((text, at) => ({ seq: at + 1, at: 5, stream: 'stdout' as const, text }));
    await p.service.appendLog(attempt!.attempt, 1, lines);
    const read = async (page: { after?: number; before?: number; contains?: string; limit?: number }) => {
      const found = await p.service.stepLog(run, 'a', { after: 0, limit: 10, ...page });
      return { ...found, texts: found.items.map(({ text }) => text) };
    };

    const last = await read({ before: Number.MAX_SAFE_INTEGER, limit: 2 });
    const older = await read({ before: last.previous!, limit: 2 });
    const found = await read({ contains: 'epoch' });
    const foundLast = await read({ contains: 'ePoch', before: Number.MAX_SAFE_INTEGER, limit: 1 });
    const further = await read({ contains: 'epoch', after: found.next });

    assert.deepEqual([last.texts, last.next, older.texts], [texts.slice(4), FIRST + 6, texts.slice(2, 4)]);
    assert.deepEqual([found.texts, found.next], [['Epoch 1', 'epoch 2', 'EPOCH 3'], FIRST + 6]);
    assert.deepEqual([foundLast.texts, further.texts, further.next], [['EPOCH 3'], [], FIRST + 6]);
    assert.deepEqual((await read({ contains: 's_a' })).texts, ['loss_a 10 %']);
    assert.deepEqual((await read({ contains: '%' })).texts, ['loss_a 10 %']);
    assert.deepEqual((await read({ contains: 'd!' })).texts, ['end!']);
  });

  test('lines that earlier versions kept stay readable, before those that came later', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a'), retries: 1 }]);
    const run = await p.start();
    const [first] = await p.lease();
    const old = { run, step: 'a', at: 5, stream: 'stdout' };
    const positions = [1_000_001, 1_050_000, 2_000_001, 99_000_001];
    const rows = positions.map((position) => ({ ...old, position, text: `old ${position}` }));
    await p.db.maintain((tx) =>
      tables(tx.db as Db)
        .insertInto('pipeline_log')
        .values(rows)
        .execute(),
    );
    await p.service.appendLog(first!.attempt, 1, [{ seq: 1_999_999, at: 5, stream: 'stdout', text: 'new' }]);

    const { items } = await p.service.stepLog(run, 'a', { after: 0, limit: 10 });

    const places = items.map(({ epoch, number }) => [epoch, number]);
    assert.deepEqual(places, [
      [1, 1],
      [1, 50_000],
      [2, 1],
      [99, 1],
      [1, 1_999_999],
    ]);
  });

  test('a long log is searched in parts, each of which says where the next goes on', async (t) => {
    const p = await openPipelines(t, open);
    await p.declare([{ name: 'a', command: command('a') }]);
    const run = await p.start();
    const [attempt] = await p.lease();
    for (let seq = 1; seq <= MANY; seq += BATCH) {
      const text = (at: number): string => ([5, MANY - 5].includes(at) ? `found at ${at}` : `${at}`);
      const lines = Array.from({ length: BATCH }, (_, i) => {
        return { seq: seq + i, at: 5, stream: 'stdout' as const, text: text(seq + i) };
      });
      await p.service.appendLog(attempt!.attempt, 1, lines);
    }
    const read = async (page: { after?: number; before?: number; limit?: number }) => {
      const { items, ...rest } = await p.service.stepLog(run, 'a', { after: 0, limit: 10, contains: 'FOUND', ...page });
      return { ...rest, texts: items.map(({ text }) => text) };
    };

    const head = await read({});
    const tail = await read({ after: head.next });
    const last = await read({ before: Number.MAX_SAFE_INTEGER });
    const older = await read({ before: last.previous! });
    await p.succeed(attempt!);
    const over = await read({ after: head.next });
    const full = await read({ limit: 1 });

    assert.deepEqual(head, { texts: ['found at 5'], next: FIRST + 250_000, more: true, done: false });
    assert.deepEqual(tail, { texts: [`found at ${MANY - 5}`], next: FIRST + MANY, more: false, done: false });
    const previous = FIRST + MANY - 250_000 + 1;
    assert.deepEqual(last, { ...tail, previous, more: true });
    assert.deepEqual(older, { texts: ['found at 5'], next: FIRST + MANY, more: false, done: false });
    assert.deepEqual([over.done, full.next, full.more], [true, FIRST + 5, true]);
  });
});
