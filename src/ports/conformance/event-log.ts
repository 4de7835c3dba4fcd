import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  APPEND_BYTES_MAX,
  APPEND_RECORDS_MAX,
  type EventLog,
  logErrors,
  PACKED_LENGTH,
  PACKED_ROOM,
  PAGE_RECORDS_MAX,
  type PackedRecords,
  RECORD_BYTES_MAX,
  type SyncEventLog,
} from '#ports/event-log';

export interface OpenEventLog {
  readonly log: EventLog | SyncEventLog;
  /** Closes the log and opens it again. */
  reopen(): Promise<EventLog | SyncEventLog>;
  close(): Promise<void>;
}

/** Registers the tests that every event log passes. `open` makes an empty log each time. */
export function eventLogConformance(name: string, open: () => Promise<OpenEventLog>): void {
  const withLog = (test: (log: EventLog, opened: OpenEventLog) => Promise<void>) => async (): Promise<void> => {
    const opened = await open();
    try {
      await test(opened.log, opened);
    } finally {
      await opened.close();
    }
  };
  describe(`${name} as an event log`, () => {
    orderCases(withLog, open);
    pageCases(withLog);
    cursorCases(withLog);
    refusalCases(withLog);
  });
}

type WithLog = (test: (log: EventLog, opened: OpenEventLog) => Promise<void>) => () => Promise<void>;

const bytes = (text: string): Buffer => Buffer.from(text);
const append = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 12 });

function orderCases(withLog: WithLog, open: () => Promise<OpenEventLog>): void {
  it(
    'begins with offset 1 and counts every record, also after it was opened again',
    withLog(async (log, opened) => {
      assert.equal(await log.end(), 0);
      assert.deepEqual(await log.append([bytes('a'), bytes('b')]), { first: 1, last: 2 });
      assert.equal(await log.end(), 2);
      const again = await opened.reopen();
      assert.equal(await again.end(), 2);
      assert.deepEqual(await again.append([bytes('c')]), { first: 3, last: 3 });
      assert.deepEqual(await textsAfter(again, 0), ['a', 'b', 'c']);
    }),
  );

  it('reads back whatever was appended, in order, from every offset', async () => {
    const property = fc.asyncProperty(
      fc.array(append, { maxLength: 12 }),
      fc.nat(),
      fc.record({ limit: fc.integer({ min: 1, max: 30 }), bytesMax: fc.integer({ min: 1, max: 3_000 }) }),
      async (appends, from, limits) => {
        const opened = await open();
        try {
          let log = opened.log;
          const all = appends.flat().map((record) => Buffer.from(record));
          for (const [index, records] of appends.entries()) {
            if (index === 6) log = await opened.reopen();
            const local = 'appendSync' in log ? (log as SyncEventLog) : undefined;
            if (index % 3 === 1 && local) local.appendSync(records);
            else if (index % 3 === 2 && local) await local.appendPacked(packedOf(records.map((it) => Buffer.from(it))));
            else await log.append(records);
          }
          assert.equal(await log.end(), all.length);
          const after = from % (all.length + 1);
          assert.deepEqual(await readAll(log, after, limits), all.slice(after));
        } finally {
          await opened.close();
        }
      },
    );
    await fc.assert(property, { numRuns: 40 });
  });

  it(
    'gives concurrent appends places of their own, each with its records together',
    withLog(async (log) => {
      const appends = Array.from({ length: 20 }, (_, i) => [bytes(`${i}a`), bytes(`${i}b`)]);
      const places = await Promise.all(appends.map((records) => log.append(records)));
      const texts = await textsAfter(log, 0);
      assert.equal(texts.length, 40);
      for (const [i, { first, last }] of places.entries()) {
        assert.deepEqual(texts.slice(first - 1, last), [`${i}a`, `${i}b`]);
      }
    }),
  );

  it(
    'offers a synchronous append, if it has one, that is over when it returns',
    withLog(async (log) => {
      if (!('appendSync' in log)) return;
      const { appendSync } = log as SyncEventLog;
      assert.deepEqual(appendSync.call(log, [bytes('a')]), { first: 1, last: 1 });
      assert.throws(() => appendSync.call(log, []), { code: logErrors.invalid.code });
      const { appendPackedSync } = log as SyncEventLog;
      const packed = packedOf(['b', '', 'long'].map(bytes));
      assert.deepEqual(appendPackedSync.call(log, packed), { first: 2, last: 4 });
      assert.throws(() => appendPackedSync.call(log, packedOf([])), { code: logErrors.invalid.code });
      assert.throws(() => appendPackedSync.call(log, packedOf(TOO_MANY)), { code: logErrors['too-large'].code });
      assert.deepEqual(await textsAfter(log, 0), ['a', 'b', '', 'long']);
    }),
  );

  it(
    'offers an append on another thread with it, which is there when it is over and not before others',
    withLog(async (log) => {
      if (!('appendPacked' in log)) return;
      const local = log as SyncEventLog;
      const first = local.appendPacked(packedOf(['a', 'b'].map(bytes)));
      assert.throws(() => local.appendSync([bytes('too early')]), /one append at a time/);
      assert.deepEqual(await first, { first: 1, last: 2 });
      assert.deepEqual(local.appendSync([bytes('c')]), { first: 3, last: 3 });
      await assert.rejects(local.appendPacked(packedOf([])), { code: logErrors.invalid.code });
      await assert.rejects(local.appendPacked(packedOf(TOO_MANY)), { code: logErrors['too-large'].code });
      assert.deepEqual(await local.appendPacked(packedOf([bytes('d')])), { first: 4, last: 4 });
      assert.deepEqual(await textsAfter(log, 0), ['a', 'b', 'c', 'd']);
      const last = local.appendPacked(packedOf([bytes('e')]));
      await local.close();
      assert.deepEqual(await last, { first: 5, last: 5 });
    }),
  );
}

const TOO_MANY: readonly Uint8Array[] = Array(APPEND_RECORDS_MAX + 1).fill(new Uint8Array());

function packedOf(records: readonly Uint8Array[]): PackedRecords {
  const pieces = records.flatMap((record) => {
    const length = Buffer.alloc(PACKED_LENGTH);
    length.writeUInt32LE(record.length);
    return [length, record];
  });
  return { bytes: Buffer.concat([Buffer.alloc(PACKED_ROOM), ...pieces]), count: records.length };
}

function pageCases(withLog: WithLog): void {
  it(
    'ends a page at the limit of records or bytes, but not before its first record',
    withLog(async (log) => {
      await log.append([bytes('aa'), bytes('bb'), bytes('cc'), bytes('dddddddd')]);
      const page = async (after: number, query: object): Promise<readonly string[]> =>
        (await log.read({ after, ...query })).records.map(({ data }) => Buffer.from(data).toString());
      assert.deepEqual(await page(0, { limit: 2 }), ['aa', 'bb']);
      assert.deepEqual(await page(0, { bytesMax: 5 }), ['aa', 'bb']);
      assert.deepEqual(await page(0, { bytesMax: 6 }), ['aa', 'bb', 'cc']);
      assert.deepEqual(await page(3, { bytesMax: 1 }), ['dddddddd']);
      assert.deepEqual(await log.read({ after: 4 }), { records: [], last: 4 });
      const { records, last } = await log.read({ after: 1, limit: 2 });
      assert.deepEqual([records.map((record) => record.offset), last], [[2, 3], 3]);
    }),
  );

  it(
    'keeps the offsets of what a trim leaves, and says so when trimmed records are read',
    withLog(async (log, opened) => {
      for (let i = 1; i <= 60; i++) await log.append([Buffer.alloc(100, String(i % 10))]);
      const start = await log.trim(41);
      assert.ok(start <= 40);
      assert.equal(await log.start(), start);
      const kept = await readAll(log, start, {});
      assert.equal(kept.length, 60 - start);
      assert.equal(kept.at(-1)?.toString(), '0'.repeat(100));
      if (start > 0) {
        const trimmed = { code: logErrors.trimmed.code, message: new RegExp(`after ${start} only`) };
        await assert.rejects(log.read({ after: start - 1 }), trimmed);
      }
      assert.equal(await log.trim(1), start);
      await log.trim(1_000);
      const again = await opened.reopen();
      assert.equal(await again.end(), 60);
      assert.deepEqual(await again.append([bytes('next')]), { first: 61, last: 61 });
    }),
  );

  it(
    'keeps empty records and records of the largest size',
    withLog(async (log) => {
      const large = Buffer.alloc(RECORD_BYTES_MAX, 'large');
      await log.append([Buffer.alloc(0), large, Buffer.alloc(0)]);
      const records = await readAll(log, 0, {});
      assert.deepEqual(
        records.map((record) => record.length),
        [0, RECORD_BYTES_MAX, 0],
      );
      assert.ok(large.equals(records[1]!));
    }),
  );
}

function cursorCases(withLog: WithLog): void {
  it(
    'keeps the place of each consumer, also after it was opened again',
    withLog(async (log, opened) => {
      await log.append([bytes('a'), bytes('b'), bytes('c')]);
      assert.equal(await log.cursor('joiner').get(), 0);
      await log.cursor('joiner').set(3);
      await log.cursor('joiner').set(2);
      await log.cursor('export.daily-1').set(1);
      const again = await opened.reopen();
      assert.equal(await again.cursor('joiner').get(), 2);
      assert.equal(await again.cursor('export.daily-1').get(), 1);
      assert.equal(await again.cursor('other').get(), 0);
    }),
  );

  it(
    'leaves one of the values when a cursor is set by many at once',
    withLog(async (log) => {
      await log.append(Array.from({ length: 20 }, () => bytes('x')));
      await Promise.all(Array.from({ length: 20 }, (_, i) => log.cursor('shared').set(i + 1)));
      const place = await log.cursor('shared').get();
      assert.ok(place >= 1 && place <= 20);
    }),
  );

  it(
    'refuses names and offsets that are none',
    withLog(async (log) => {
      const invalid = { code: logErrors.invalid.code };
      for (const name of ['', '.', '../up', 'a/b', 'UPPER', '-a', 'x'.repeat(65)]) {
        assert.throws(() => log.cursor(name), invalid);
      }
      for (const offset of [-1, 0.5, Number.NaN]) await assert.rejects(log.cursor('a').set(offset), invalid);
    }),
  );
}

function refusalCases(withLog: WithLog): void {
  it(
    'refuses appends past their limits and keeps nothing of them',
    withLog(async (log) => {
      const tooLarge = { code: logErrors['too-large'].code };
      const share = Buffer.alloc(RECORD_BYTES_MAX);
      await assert.rejects(log.append([]), { code: logErrors.invalid.code });
      await assert.rejects(log.append([bytes('a'), Buffer.alloc(RECORD_BYTES_MAX + 1)]), tooLarge);
      await assert.rejects(log.append(Array(APPEND_BYTES_MAX / RECORD_BYTES_MAX + 1).fill(share)), tooLarge);
      await assert.rejects(log.append(Array(APPEND_RECORDS_MAX + 1).fill(bytes(''))), tooLarge);
      assert.equal(await log.end(), 0);
      assert.deepEqual(await log.append(Array(APPEND_RECORDS_MAX).fill(bytes(''))), {
        first: 1,
        last: APPEND_RECORDS_MAX,
      });
    }),
  );

  it(
    'refuses reads that are none, and beyond the end',
    withLog(async (log) => {
      await log.append([bytes('a')]);
      const invalid = { code: logErrors.invalid.code };
      await assert.rejects(log.read({ after: -1 }), invalid);
      await assert.rejects(log.read({ after: 0.5 }), invalid);
      await assert.rejects(log.read({ after: 2 }), invalid);
      await assert.rejects(log.read({ after: 0, limit: 0 }), invalid);
      await assert.rejects(log.read({ after: 0, limit: PAGE_RECORDS_MAX + 1 }), invalid);
      await assert.rejects(log.read({ after: 0, bytesMax: 0 }), invalid);
      await assert.rejects(log.trim(-1), invalid);
    }),
  );

  it(
    'refuses everything once it is closed, and may be closed twice',
    withLog(async (log) => {
      await log.append([bytes('a')]);
      await log.close();
      await log.close();
      const closed = { code: logErrors.closed.code };
      await assert.rejects(log.append([bytes('b')]), closed);
      await assert.rejects(log.read({ after: 0 }), closed);
      await assert.rejects(log.end(), closed);
      await assert.rejects(log.start(), closed);
      await assert.rejects(log.trim(1), closed);
    }),
  );
}

/** Reads page by page up to the end. */
async function readAll(
  log: EventLog,
  after: number,
  limits: { readonly limit?: number; readonly bytesMax?: number },
): Promise<Buffer[]> {
  const records: Buffer[] = [];
  for (let place = after; ; ) {
    const page = await log.read({ after: place, ...limits });
    if (page.records.length === 0) return records;
    for (const { offset, data } of page.records) {
      assert.equal(offset, ++place);
      records.push(Buffer.from(data));
    }
    assert.equal(page.last, place);
  }
}

async function textsAfter(log: EventLog, after: number): Promise<string[]> {
  return (await readAll(log, after, {})).map(String);
}
