import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { Columnar } from './columnar.ts';
import { type ColumnData, floatsOf, numbersOf, selectRows, textOf } from './table.ts';

let root = '';
let columnar: Columnar;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'kedge-columnar-'));
  await mkdir(join(root, 'data'));
  await mkdir(join(root, 'secret'));
  await writeFile(join(root, 'secret', 'a.csv'), 'x\n1\n');
  columnar = await Columnar.open({ directories: [join(root, 'data')], scratchDir: join(root, 'scratch') });
});
after(async () => {
  await columnar.close();
  await rm(root, { recursive: true });
});

test('a result that is taken in tables is the same result', async () => {
  const sql = `select i as x, 'text ' || (i % 7) as t from range(10_000) r(i)`;
  const rows = await columnar.exclusive(async (session) => {
    const found: [number, string][] = [];
    for await (const table of session.tables(sql, 3_000)) {
      assert.ok(table.rows >= 3_000 || found.length + table.rows === 10_000, `${table.rows} rows`);
      const x = numbersOf(table, 'x');
      const { codes, dictionary } = textOf(table, 't');
      for (let i = 0; i < table.rows; i++) found.push([x[i] ?? 0, dictionary[codes[i] ?? 0] ?? '']);
    }
    return found;
  });

  assert.deepEqual(
    rows,
    Array.from({ length: 10_000 }, (_, i) => [i, `text ${i % 7}`]),
  );
  const empty = await columnar.query('select 1 as x where false');
  assert.deepEqual([empty.rows, [...numbersOf(empty, 'x')]], [0, []]);
});

const NEW_YEAR = Date.UTC(2001, 0, 1);

test('every kind of number, truth value and time is read as a number, and NULL as NaN', async () => {
  const read = async (sql: string) => [...numbersOf(await columnar.query(`select ${sql} as v`), 'v')][0];

  assert.equal(await read('7::tinyint'), 7);
  assert.equal(await read('9007199254740991::bigint'), 2 ** 53 - 1);
  assert.equal(await read('(1::hugeint << 60)'), 2 ** 60);
  assert.equal(await read('1.25::decimal(9,2)'), 1.25);
  assert.equal(await read('1.5::float'), 1.5);
  assert.equal(await read('true'), 1);
  assert.equal(await read(`date '2001-01-01'`), NEW_YEAR);
  assert.equal(await read(`timestamp '2001-01-01 00:00:00.0015'`), NEW_YEAR + 1.5);
  assert.equal(await read(`timestamptz '2001-01-01 02:00:00+02'`), NEW_YEAR);
  assert.equal(await read(`'2001-01-01'::timestamp_s`), NEW_YEAR);
  assert.equal(await read(`'2001-01-01'::timestamp_ms`), NEW_YEAR);
  assert.equal(await read(`'2001-01-01'::timestamp_ns`), NEW_YEAR);
  for (const type of ['int', 'double', 'float', 'timestamp', 'decimal(9,2)', 'boolean']) {
    assert.ok(Number.isNaN(await read(`null::${type}`)), type);
  }
});

test('texts share a dictionary in order of first appearance, and a missing text has the code -1', async () => {
  const table = await columnar.query(`select unnest(['b', 'a', null, 'b']) as t`);

  const { codes, dictionary } = textOf(table, 't');

  assert.deepEqual([...codes], [0, 1, -1, 0]);
  assert.deepEqual(dictionary, ['b', 'a']);
});

test('a column that is neither number, text nor time is refused by name instead of being read as missing', async () => {
  for (const sql of ['[1, 2]', `{'a': 1}`, `interval 1 day`, `'ab'::blob`]) {
    await assert.rejects(columnar.query(`select ${sql} as odd`), { code: 'columnar/bad-sql', message: /'odd'/ });
  }
});

test('what expressions may not do is refused', async () => {
  const refused = [
    `select * from read_csv('${join(root, 'secret', 'a.csv')}')`,
    `select * from read_text('${join(root, 'data', '..', 'secret', 'a.csv')}')`,
    `select * from read_csv('https://example.com/a.csv')`,
    `select * from 's3://bucket/a.parquet'`,
    `copy (select 1) to '${join(root, 'secret', 'b.csv')}'`,
    `attach '${join(root, 'secret', 'c.db')}'`,
    'install httpfs',
    'load httpfs',
    'set enable_external_access = true',
    `set allowed_directories = ['/']`,
    'set lock_configuration = false',
    'reset enable_external_access',
  ];
  for (const sql of refused) {
    const attempt = columnar.exclusive((session) => session.run(sql));
    await assert.rejects(attempt, /Permission Error|Cannot change configuration/, sql);
  }
  assert.deepEqual([...numbersOf(await columnar.query('select 1 as v'), 'v')], [1]);
});

test('errors carry a code and the words of the engine', async () => {
  const bad = { code: 'columnar/bad-sql' };
  await assert.rejects(columnar.query('select nothing'), { ...bad, message: /nothing/ });
  await assert.rejects(columnar.query('selec 1'), bad);
  await assert.rejects(columnar.query(`select 'x'::int`), bad);
  await assert.rejects(columnar.query(`select * from read_parquet('${join(root, 'data', 'absent.parquet')}')`), {
    code: 'columnar/bad-file',
  });
  await writeFile(join(root, 'data', 'broken.parquet'), 'not parquet');
  await assert.rejects(columnar.query(`select * from read_parquet('${join(root, 'data', 'broken.parquet')}')`), {
    code: 'columnar/bad-file',
  });
});

test('a query past its memory is refused as such, and the next one works', async () => {
  const small = await Columnar.open({ directories: [], scratchDir: join(root, 'small'), memoryBytesMax: 16_777_216 });
  const hungry = small.query('select list(i::varchar) as v from range(20000000) t(i)');

  await assert.rejects(hungry, { code: 'columnar/out-of-memory' });
  assert.equal((await small.query('select 1 as v')).rows, 1);
  await small.close();
});

test('sequences that run exclusively do not see each other, also when one fails', async () => {
  const use = (name: string, fail: boolean) =>
    columnar.exclusive(async (session) => {
      await session.run(`create or replace temp table shared as select '${name}' as name`);
      if (fail) await session.run('select nothing');
      const table = await session.query('select name from shared');
      return textOf(table, 'name').dictionary[0];
    });

  const outcomes = await Promise.allSettled([use('a', false), use('b', true), use('c', false)]);

  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason.code)),
    ['a', 'columnar/bad-sql', 'c'],
  );
});

test('typed arrays come back from a Parquet file as they were', async () => {
  const row = fc.record({
    text: fc.option(fc.string({ unit: 'grapheme', maxLength: 8 }), { freq: 5 }),
    single: fc.oneof(fc.float({ noNaN: true }), fc.constant(Number.NaN)),
    double: fc.oneof(fc.double({ noNaN: true }), fc.constant(Number.NaN)),
  });
  let file = 0;
  const run = fc.asyncProperty(fc.array(row, { maxLength: 50 }), fc.constantFrom(1, 100), async (few, times) => {
    const rows = Array.from({ length: times }, () => few).flat();
    const dictionary = [...new Set(rows.flatMap((each) => each.text ?? []))];
    const columns = new Map<string, ColumnData>([
      ['a text', { kind: 'text', codes: Int32Array.from(rows, (r) => dictionary.indexOf(r.text ?? '\0')), dictionary }],
      ['single', { kind: 'float32', values: Float32Array.from(rows, (each) => each.single) }],
      ['do"uble', { kind: 'float64', values: Float64Array.from(rows, (each) => each.double) }],
    ]);
    const path = join(root, 'data', `round-trip-${file++}.parquet`);
    const back = await columnar.exclusive(async (session) => {
      await session.load('it', { rows: rows.length, columns });
      await session.writeParquet('select * from it', path);
      return session.query(`select * from read_parquet('${path}')`);
    });
    const text = textOf(back, 'a text');
    assert.deepEqual(
      Array.from(text.codes, (code) => text.dictionary[code] ?? null),
      rows.map((each) => each.text),
    );
    assert.deepEqual(
      [...floatsOf(back, 'single')],
      rows.map((each) => Math.fround(each.single)),
    );
    assert.deepEqual(
      [...numbersOf(back, 'do"uble')],
      rows.map((each) => each.double),
    );
  });
  await fc.assert(run, { numRuns: 30 });
});

test('rows are selected in the order that is asked for', async () => {
  const table = await columnar.query(`select unnest([10.0::double, 20, 30]) as n, unnest(['x', null, 'z']) as t`);

  const chosen = selectRows(table, Int32Array.of(2, 1, 2));

  assert.deepEqual([...numbersOf(chosen, 'n')], [30, 20, 30]);
  assert.deepEqual([...textOf(chosen, 't').codes], [1, -1, 1]);
});
