import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '#core/clock';
import { digestOf } from '#core/hash';
import { Columnar } from '#platform/columnar';
import type { Arm } from '../../routing.ts';
import { categoryModel, logisticModel, type TestModel } from '../testing/models.ts';
import { type FileProgress, type FileWork, predictFile } from './predict-file.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kedge-batch-'));
});
after(() => rm(folder, { recursive: true }));

const at = (name: string): string => join(folder, name);

async function work(
  model: TestModel,
  files: Pick<FileWork, 'input' | 'output'> & Partial<FileWork>,
): Promise<FileWork> {
  const digest = digestOf(model.bytes);
  const path = at(`${digest.slice(7, 20)}.onnx`);
  await writeFile(path, model.bytes);
  const arm: Arm = { revision: 'm@3', model: 'm', version: 3, digest, signature: model.signature };
  return { arm, model: path, clock: systemClock, ...files };
}

async function query(sql: string): Promise<Record<string, unknown>[]> {
  const columnar = await Columnar.open({ directories: [folder], scratchDir: at('scratch') });
  try {
    return await columnar.exclusive((session) => session.rows(sql));
  } finally {
    await columnar.close();
  }
}

async function writeParquet(name: string, sql: string): Promise<string> {
  const columnar = await Columnar.open({ directories: [folder], scratchDir: at('scratch') });
  await columnar.exclusive((session) => session.writeParquet(sql, at(name)));
  await columnar.close();
  return at(name);
}

test('every row of a Parquet file gets its prediction, in order, beside its columns as they were', async () => {
  const columns = `i, i / 1000 as a, (i % 13)::int as b, date '2024-01-01' + (i % 5)::int as d`;
  const sql = `select ${columns} from range(25_000) r(i)`;
  const input = await writeParquet('in.parquet', sql);
  const output = at('out.parquet');
  const { rows, total } = await predictFile(
    await work(logisticModel({ a: 1, b: -2 }), { input, output, partRows: 4_000 }),
  );

  assert.deepEqual([rows, total], [25_000, 25_000]);
  const wrong = await query(`
    select count(*) as n, max(abs(probability - 1 / (1 + exp(2 * b - a)))) as off, min(revision) as revision,
      count(*) filter (d <> date '2024-01-01' + (i % 5)::int) as dates, typeof(first(d)) as type
    from (select *, row_number() over () - 1 as place from read_parquet('${output}')) where place = i`);
  assert.deepEqual(wrong[0]?.['n'], '25000');
  assert.ok(Number(wrong[0]?.['off']) < 1e-6, JSON.stringify(wrong));
  assert.deepEqual([wrong[0]?.['revision'], wrong[0]?.['dates'], wrong[0]?.['type']], ['m@3', '0', 'DATE']);
  assert.equal((await readdir(folder)).includes('out.parquet.parts'), false);
});

test('CSV and JSON lines are read and written, with missing numbers and categories', async () => {
  await writeFile(at('in.csv'), 'id,x,c\n7,1.5,a\n8,2,b\n9,3,zebra\n10,4,\n');
  await predictFile(await work(categoryModel(), { input: at('in.csv'), output: at('out.jsonl'), keep: ['id'] }));
  const lines = (await readFile(at('out.jsonl'), 'utf8')).trim().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      [7, 2.5],
      [8, 4],
      [9, 3],
      [10, 4],
    ].map(([id, value]) => ({ id, value, revision: 'm@3' })),
  );

  await writeFile(at('in.jsonl'), '{"x": 1, "c": "a"}\n{"x": 2, "c": null}\n');
  await predictFile(await work(categoryModel(), { input: at('in.jsonl'), output: at('out.csv') }));
  assert.equal(await readFile(at('out.csv'), 'utf8'), 'x,c,value,revision\n1,a,2.0,m@3\n2,,2.0,m@3\n');
});

test('a start after an end goes on where that one stopped, and gives the same predictions', async () => {
  const input = await writeParquet('long.parquet', 'select i / 100 as a, i % 3 as b from range(50_000) r(i)');
  const model = logisticModel({ a: 1, b: -2 });
  await predictFile(await work(model, { input, output: at('whole.parquet') }));

  const output = at('resumed.parquet');
  const ends = await work(model, {
    ...{ input, output, partRows: 5_000 },
    onProgress: ({ rows }) => {
      if (rows >= 20_000) throw new Error('the power went out');
    },
  });
  await assert.rejects(predictFile(ends), /the power went out/);
  await assert.rejects(stat(output));
  // A part that was being written when the end came.
  await writeFile(join(`${output}.parts`, 'part.new'), 'half');

  const seen: FileProgress[] = [];
  const { rows, resumed } = await predictFile({ ...ends, onProgress: (progress) => seen.push(progress) });
  assert.equal(rows, 50_000);
  assert.ok(resumed >= 20_000 && resumed < 50_000, `${resumed} rows were resumed`);
  assert.equal(seen[0]?.rows, resumed);
  const [{ n } = {}] = await query(`
    select count(*) as n from read_parquet('${output}') r positional join read_parquet('${at('whole.parquet')}') w
    where r.probability = w.probability and r.a = w.a`);
  assert.equal(n, '50000');
});

test('parts of another file or model are not mixed in', async () => {
  await writeFile(at('one.csv'), 'a,b\n1,2\n');
  await writeFile(at('two.csv'), 'a,b\n1,2\n3,4\n');
  const output = at('mixed.csv');
  const model = logisticModel({ a: 1, b: -2 });
  const ends = (): never => {
    throw new Error('ended');
  };
  let calls = 0;
  const onProgress = (): void => {
    calls += 1;
    if (calls === 2) ends();
  };
  await assert.rejects(predictFile(await work(model, { input: at('one.csv'), output, onProgress })), /ended/);
  await assert.rejects(predictFile(await work(model, { input: at('two.csv'), output })), { code: 'batch/other-work' });
});

test('columns without a value, categories that look like numbers, and files without rows', async () => {
  await writeFile(at('odd.csv'), 'x,c\n1,01\n2,1\n');
  await predictFile(await work(categoryModel(), { input: at('odd.csv'), output: at('odd-out.csv') }));
  assert.equal(await readFile(at('odd-out.csv'), 'utf8'), 'x,c,value,revision\n1.0,01,1.0,m@3\n2.0,1,2.0,m@3\n');

  await writeFile(at('empty.csv'), 'x,c\n');
  const { rows } = await predictFile(
    await work(categoryModel(), { input: at('empty.csv'), output: at('empty-out.csv') }),
  );
  assert.equal(rows, 0);
  assert.equal(await readFile(at('empty-out.csv'), 'utf8'), 'x,c,value,revision\n');
});

test('what cannot be predicted is refused before any work, with what is wrong', async () => {
  await writeFile(at('bad.csv'), 'a,c\n1,x\n');
  const model = logisticModel({ a: 1, b: -2 });
  const files = { input: at('bad.csv'), output: at('refused.csv') };
  await assert.rejects(predictFile(await work(model, files)), { code: 'batch/missing-column', message: /no b/ });
  await assert.rejects(predictFile(await work(logisticModel({ c: 1 }), files)), {
    code: 'columnar/bad-sql',
    message: /Line: 2[\s\S]*"x"/,
  });
  const texts = await writeParquet('texts.parquet', `select 'x' as c, 1 as a`);
  await assert.rejects(predictFile(await work(logisticModel({ c: 1 }), { ...files, input: texts })), {
    code: 'batch/wrong-column',
    message: /'c' is VARCHAR, and the model takes a number/,
  });
  await assert.rejects(predictFile(await work(model, { ...files, output: at('refused.xlsx') })), {
    code: 'batch/unknown-format',
  });
  await assert.rejects(predictFile(await work(model, { ...files, input: at('nowhere.csv') })), {
    code: 'batch/no-file',
  });
});
