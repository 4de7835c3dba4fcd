import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { type EventLogReader, logErrors, PACKED_LENGTH, PACKED_ROOM } from '#ports/event-log';
import { type LogFinding, openLocalLog, openLocalLogReader } from './index.ts';

const FIRST_SEGMENT = '00000000000000000000.log';

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Appends texts one by one to a new log and returns its folder and where each frame ends in the segment. */
async function logOf(t: TestContext, texts: readonly string[], segmentBytes?: number): Promise<[string, number[]]> {
  const folder = await temporaryFolder(t);
  const log = await openLocalLog({ folder, ...(segmentBytes && { segmentBytes }) });
  const ends: number[] = [];
  for (const text of texts) {
    log.appendSync([Buffer.from(text)]);
    ends.push((await stat(join(folder, FIRST_SEGMENT))).size);
  }
  await log.close();
  return [folder, ends];
}

/** Everything that can be read; damage stands as `!` and the offset from which reading went on. */
async function readAround(log: EventLogReader): Promise<string[]> {
  const seen: string[] = [];
  for (let after = await log.start(); ; ) {
    try {
      const { records, last } = await log.read({ after, limit: 3 });
      if (records.length === 0) return seen;
      seen.push(...records.map((record) => `${record.offset}:${Buffer.from(record.data)}`));
      after = last;
    } catch (error) {
      assert.ok(error instanceof Error && 'code' in error && error.code === logErrors.corrupt.code, String(error));
      after = Number(/reading can go on after (\d+)$/.exec(error.message)?.[1]);
      seen.push(`!${after}`);
    }
  }
}

async function reopen(folder: string): Promise<{ readonly seen: string[]; readonly findings: LogFinding[] }> {
  const findings: LogFinding[] = [];
  const log = await openLocalLog({ folder, onFinding: (finding) => findings.push(finding) });
  try {
    log.appendSync([Buffer.from('new')]);
    return { seen: await readAround(log), findings };
  } finally {
    await log.close();
  }
}

describe('local log with a torn end', () => {
  const texts = ['one', 'two', 'three', 'a longer record at the end'];

  it('cuts an append that a crash cut off at any byte, reports it, and goes on', async (t) => {
    const [folder, ends] = await logOf(t, texts);
    const path = join(folder, FIRST_SEGMENT);
    const content = await readFile(path);
    for (let size = ends[2]! + 1; size < ends[3]!; size++) {
      await writeFile(path, content.subarray(0, size));
      const { seen, findings } = await reopen(folder);
      assert.deepEqual(seen, ['1:one', '2:two', '3:three', '4:new']);
      const bytes = size - ends[2]!;
      assert.deepEqual(findings, [{ kind: 'torn', segment: FIRST_SEGMENT, position: ends[2], bytes, after: 3 }]);
    }
  });

  it('cuts zeros and rubbish behind the last append', async (t) => {
    const [folder, ends] = await logOf(t, texts);
    const path = join(folder, FIRST_SEGMENT);
    for (const rubbish of [Buffer.alloc(5_000), Buffer.alloc(300, 0xff), Buffer.from('text '.repeat(2_000))]) {
      await truncate(path, ends[3]!);
      await appendFile(path, rubbish);
      assert.deepEqual((await readAround(openLocalLogReader({ folder }))).length, 4);
      const { seen, findings } = await reopen(folder);
      assert.deepEqual(seen.slice(3), ['4:a longer record at the end', '5:new']);
      assert.deepEqual([findings.length, findings[0]?.kind, findings[0]?.bytes], [1, 'torn', rubbish.length]);
    }
  });

  it('shows a reader nothing of an append that is not whole yet', async (t) => {
    const [folder, ends] = await logOf(t, texts);
    const path = join(folder, FIRST_SEGMENT);
    const content = await readFile(path);
    const reader = openLocalLogReader({ folder });
    await truncate(path, ends[2]! + 10);
    assert.equal(await reader.end(), 3);
    assert.equal((await reader.read({ after: 0 })).last, 3);
    await writeFile(path, content);
    assert.equal((await reader.read({ after: 3 })).last, 4);
    assert.equal(await reader.end(), 4);
  });
});

describe('local log with damage in the middle', () => {
  const texts = ['one', 'two', 'three', 'four', 'five', 'six'];
  const all = texts.map((text, i) => `${i + 1}:${text}`);

  it('reads everything before it, names segment and offset, and can go on after it', async (t) => {
    const [folder, ends] = await logOf(t, texts);
    const path = join(folder, FIRST_SEGMENT);
    const content = await readFile(path);
    content[ends[2]! + 22]! ^= 1;
    await writeFile(path, content);
    const reader = openLocalLogReader({ folder });
    assert.equal((await reader.read({ after: 0 })).last, 3);
    await assert.rejects(reader.read({ after: 3 }), {
      code: logErrors.corrupt.code,
      message: new RegExp(`^records 4 to 4 .*${FIRST_SEGMENT} of '${folder}' at byte ${ends[2]}\\).* after 4$`),
    });
    assert.equal(await reader.end(), 6);
    const { seen, findings } = await reopen(folder);
    assert.deepEqual(seen, [...all.slice(0, 3), '!4', ...all.slice(4), '7:new']);
    const bytes = ends[3]! - ends[2]!;
    assert.deepEqual(findings, [{ kind: 'corrupt', segment: FIRST_SEGMENT, position: ends[2], bytes, after: 3 }]);
  });

  it('never gives out a wrong record, whichever bytes are changed', async (t) => {
    for (const segmentBytes of [1, 60, 100_000]) {
      const [folder] = await logOf(t, texts, segmentBytes);
      const names = (await readdir(folder)).filter((name) => name.endsWith('.log'));
      const contents = await Promise.all(names.map((name) => readFile(join(folder, name))));
      const change = fc.tuple(fc.nat(names.length - 1), fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 30 }));
      await fc.assert(
        fc.asyncProperty(change, async ([segment, at, rubbish]) => {
          const path = join(folder, names[segment]!);
          const damaged = Buffer.from(contents[segment]!);
          damaged.set(rubbish.subarray(0, damaged.length - (at % damaged.length)), at % damaged.length);
          await writeFile(path, damaged);
          const seen = (await readAround(openLocalLogReader({ folder }))).filter((line) => !line.startsWith('!'));
          assert.deepEqual(
            seen,
            all.filter((line) => seen.includes(line)),
          );
          await writeFile(path, contents[segment]!);
        }),
        { numRuns: 150 },
      );
    }
  });

  it('says so when a segment is missing or shorter than it was', async (t) => {
    const [folder] = await logOf(t, texts, 1);
    const names = (await readdir(folder)).filter((name) => name.endsWith('.log')).sort();
    await rm(join(folder, names[1]!));
    await truncate(join(folder, names[3]!), 5);
    const seen = await readAround(openLocalLogReader({ folder }));
    assert.deepEqual(seen, ['1:one', '!2', '3:three', '!4', '5:five', '6:six']);
  });

  it('does not use offsets again that a consumer has seen and the disk has lost', async (t) => {
    const [folder, ends] = await logOf(t, texts);
    await openLocalLogReader({ folder }).cursor('joiner').set(6);
    await truncate(join(folder, FIRST_SEGMENT), ends[3]!);
    const { seen, findings } = await reopen(folder);
    assert.deepEqual(seen, [...all.slice(0, 4), '!6', '7:new']);
    assert.deepEqual([findings.length, findings[0]?.kind, findings[0]?.after], [1, 'lost', 4]);
  });

  it('reports a damaged cursor when it is read, and opens all the same', async (t) => {
    const [folder] = await logOf(t, texts);
    await openLocalLogReader({ folder }).cursor('joiner').set(2);
    await writeFile(join(folder, 'cursors', 'joiner'), '');
    const { seen } = await reopen(folder);
    assert.equal(seen.length, 7);
    const cursor = openLocalLogReader({ folder }).cursor('joiner');
    await assert.rejects(cursor.get(), { code: logErrors.corrupt.code, message: /set it again/ });
    await cursor.set(1);
    assert.equal(await cursor.get(), 1);
  });
});

describe('local log at its limit', () => {
  it('refuses appends until it is trimmed', async (t) => {
    const folder = await temporaryFolder(t);
    const log = await openLocalLog({ folder, segmentBytes: 1_000, logBytesMax: 3_000 });
    t.after(() => log.close());
    const record = Buffer.alloc(400);
    const noSpace = { code: logErrors['no-space'].code, message: /3000 bytes; trim it/ };
    assert.throws(() => {
      for (;;) log.appendSync([record]);
    }, noSpace);
    const end = await log.end();
    assert.equal(end, 7);
    await assert.rejects(log.append([record]), noSpace);
    assert.equal(await log.trim(5), 4);
    assert.deepEqual(log.appendSync([record]), { first: 8, last: 8 });
    assert.equal((await log.read({ after: 4 })).last, 8);
  });

  it('is trimmed at any moment of an append, also while a segment is opened, and counts what is there', async (t) => {
    const folder = await temporaryFolder(t);
    const log = await openLocalLog({ folder, segmentBytes: 1_000, logBytesMax: 3_000, fsync: 'interval' });
    const record = Buffer.alloc(400);
    const packed = Buffer.alloc(PACKED_ROOM + PACKED_LENGTH + record.length);
    packed.writeUInt32LE(record.length, PACKED_ROOM);

    for (let last = 1; last <= 120; last++) {
      let isOver = false;
      const append = log.appendPacked({ bytes: packed, count: 1 }).finally(() => {
        isOver = true;
      });
      while (!isOver) await log.trim(last);
      assert.deepEqual(await append, { first: last, last });
    }
    await log.trim(121);

    const { records } = await log.read({ after: 118 });
    assert.deepEqual([await log.start(), ...records.map(({ offset }) => offset)], [118, 119, 120]);
    await log.close();
    assert.equal((await readdir(folder)).filter((name) => name.endsWith('.log')).length, 1);
    assert.equal((await reopen(folder)).seen.length, 3);
  });
});
