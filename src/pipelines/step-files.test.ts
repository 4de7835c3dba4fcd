import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, digestOfJson } from '#core/hash';
import { collectGarbage } from '#platform/blobs';
import { forEachDialect } from '#testing/databases';
import { pipelineMigrations } from './index.ts';
import { pipelineSpec } from './spec.ts';
import { STEP_FILES_BYTES_MAX } from './step-files.ts';
import { context, openPipelines } from './testing.ts';

const DAY_MS = 86_400_000;
const command = ['python3', 'train.py'];

function issuesOf(step: object): string[] {
  const parsed = pipelineSpec.safeParse({ steps: [{ name: 'a', ...step }] });
  return parsed.success ? [] : parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

test('the paths of files are relative, of plain characters, and none is the folder of another', () => {
  const digest = digestOf('x');
  for (const path of ['../x', 'a/../../x', '/etc/passwd', 'a//b', './a', 'a/', '', 'a\\b', 'a b', 'a\0', '~/x', '..']) {
    assert.equal(issuesOf({ command, files: { [path]: digest } }).length, 1, JSON.stringify(path));
  }
  assert.equal(issuesOf({ command, files: { ['a'.repeat(201)]: digest } }).length, 1);
  assert.deepEqual(issuesOf({ command, files: { 'lib/a.py': digest, '...': digest, '.env': digest } }), []);
  assert.deepEqual(issuesOf({ command, files: { 'lib/a.py': digest, lib: digest } }), [
    "steps.0.files: 'lib' is both a file and a folder",
  ]);
  const many = Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`f${i}`, digest]));
  assert.deepEqual(issuesOf({ command, files: many }), ['steps.0.files: has 201 files, the limit is 200']);
  assert.match(
    issuesOf({ command, files: { 'a.py': './a.py' } })[0] ?? '',
    /steps\.0\.files\.a\.py: expected the digest/,
  );
});

test('only commands have files, and only programs a runtime', () => {
  const files = { 'a.py': digestOf('x') };
  const of = (work: object, more: object) =>
    issuesOf({ ...work, ...more }).filter((issue) => !/needs the code/.test(issue));
  const step = { function: { module: 'steps.ts', export: 'a' } };

  assert.deepEqual(of(step, { files }), ['steps.0.files: only commands have files: a function has the code bundle']);
  assert.deepEqual(of(step, { runtime: { interpreter: 'Python 3.11' } }), []);
  assert.deepEqual(of({ wait: { for: '1s' } }, { runtime: { a: 'b' } }), ['steps.0.runtime: only programs have it']);
  assert.match(of({ pipeline: 'q' }, { runtime: { a: 'b' } })[0] ?? '', /^steps\.0\.runtime: only programs have it/);
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`n${i}`, 'x']));
  assert.deepEqual(of({ command }, { runtime: many }), ['steps.0.runtime: expected at most 20 names']);
  assert.equal(of({ command }, { runtime: { a: 'x'.repeat(301) } }).length, 1);
});

forEachDialect('Files of commands', pipelineMigrations, (open) => {
  test('go to the worker with the attempt, and a changed one is what the cache names', async (t) => {
    const p = await openPipelines(t, open);
    const digests = await Promise.all(['one', 'two', 'lib'].map(async (text) => (await p.put(text)).digest));
    const [one = '', two = '', lib = ''] = digests;
    const declare = (files: object | undefined, runtime?: object) =>
      p.declare([{ name: 'a', command, ...(files ? { files } : {}), ...(runtime ? { runtime } : {}) }]);
    const done = async (): Promise<string> => {
      const run = await p.start();
      for (const attempt of await p.lease()) await p.succeed(attempt);
      return run;
    };
    const differing = async (run: string) => {
      const { differences } = await p.service.explainCache(run, 'a');
      return differences.map(({ ingredient, before, now }) => [ingredient, before, now]);
    };

    await declare(undefined);
    const plain = (await p.service.explainCache(await done(), 'a')).key;
    // What keys were made of before files and runtimes could be declared.
    const ingredients = { schema: 1, program: { command }, params: {}, inputs: {}, outputs: [], env: {}, seed: 1 };
    assert.equal(plain, digestOfJson(ingredients));

    await declare({ 'train.py': one, 'lib/a.py': lib });
    await p.start();
    const [attempt] = await p.lease();
    assert.deepEqual(attempt?.files, { 'train.py': one, 'lib/a.py': lib });
    await p.succeed(attempt!);
    assert.equal((await p.service.run(await done())).steps[0]?.status, 'cached');

    await declare({ 'train.py': two, 'lib/a.py': lib });
    assert.deepEqual(await differing(await done()), [['files.train.py', one, two]]);
    await declare({ 'train.py': two, 'lib/a.py': lib }, { interpreter: 'Python 3.11' });
    assert.deepEqual(await differing(await done()), [['runtime', null, { interpreter: 'Python 3.11' }]]);
    await declare({ 'train.py': two, 'lib/a.py': lib }, { interpreter: 'Python 3.12' });
    const last = await done();
    assert.deepEqual(await differing(last), [['runtime.interpreter', 'Python 3.11', 'Python 3.12']]);

    const { record } = await p.records.view(last);
    assert.deepEqual(
      [record.steps[0]?.files, record.steps[0]?.runtime],
      [{ 'train.py': two, 'lib/a.py': lib }, { interpreter: 'Python 3.12' }],
    );
  });

  test('that are not stored, or too large together, are refused where a run is started', async (t) => {
    const p = await openPipelines(t, open);
    const unknown = digestOf('never sent');
    await p.declare([{ name: 'a', command, files: { 'train.py': unknown } }]);
    await assert.rejects(p.start(), {
      code: 'pipelines/file-missing',
      message: new RegExp(`files\\.train\\.py of step 'a' of pipeline 'p', ${unknown}, is not stored`),
    });

    const { digest } = await p.put('x'.repeat(STEP_FILES_BYTES_MAX / 2 + 1));
    await p.declare([{ name: 'a', command, files: { a: digest, b: digest } }]);
    await assert.rejects(p.start(), {
      code: 'pipelines/files-invalid',
      message: /8388610 bytes, the limit is 8388608/,
    });
  });

  test('are kept while a pipeline or a run names them, and without them no run is reproduced', async (t) => {
    const p = await openPipelines(t, open);
    const { digest: old } = await p.put('old');
    const { digest: now } = await p.put('now');
    const { digest: orphan } = await p.put('of nobody');
    await p.declare([{ name: 'a', command, files: { 'train.py': old } }]);
    const run = await p.start();
    for (const attempt of await p.lease()) await p.succeed(attempt);
    await p.declare([{ name: 'a', command, files: { 'train.py': now } }]);

    const later = Date.now() + 10 * DAY_MS;
    await collectGarbage({ db: p.db, blobs: p.blobs, now: later, dryRun: false });

    assert.deepEqual(await Promise.all([old, now, orphan].map((digest) => p.blobs.has(digest))), [true, true, false]);
    const again = await p.records.reproduce(context, run);
    assert.deepEqual((await p.lease())[0]?.files, { 'train.py': old });
    assert.equal(again.of, run);
    await p.blobs.delete(old);
    await assert.rejects(p.records.reproduce(context, run), {
      code: 'pipelines/not-reproducible',
      message: new RegExp(`the file train\\.py of step 'a' is gone, ${old}`),
    });
  });
});
