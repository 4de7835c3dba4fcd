import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createFile } from './create-file.ts';

const FILES = 100;
const MAKERS = 3;

function folder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'kedge-create-file-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

test('a file is made once, for its owner only, and leaves nothing beside it', () => {
  using at = folder();
  const path = join(at.path, 'key');
  assert.equal(createFile(path, 'first'), true);
  assert.equal(createFile(path, 'second'), false);
  assert.equal(readFileSync(path, 'utf8'), 'first');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(at.path), ['key']);
});

test('of many that make a file at one moment, one does, and each reads all of it', async () => {
  using at = folder();
  const said = await Promise.all(Array.from({ length: MAKERS }, (_, maker) => makeAll(at.path, maker)));
  for (let file = 0; file < FILES; file++) {
    const read = said.map(({ contents }) => contents[file]);
    const makers = said.flatMap(({ made }, maker) => (made[file] ? [`${maker}`] : []));
    assert.equal(makers.length, 1, `file ${file} was made by ${makers.length}`);
    assert.deepEqual(read, Array(MAKERS).fill(makers[0]?.repeat(1_000)));
  }
});

interface Said {
  readonly made: readonly boolean[];
  readonly contents: readonly string[];
}

/** All makers begin with a file when the last of them has come to it. */
const started = new Int32Array(new SharedArrayBuffer(4 * FILES));

const maker = `
  import { readFileSync } from 'node:fs';
  import { workerData, parentPort } from 'node:worker_threads';
  const { url, folder, maker, started, makers } = workerData;
  const { createFile } = await import(url);
  const [made, contents] = [[], []];
  for (let file = 0; file < started.length; file++) {
    Atomics.add(started, file, 1);
    while (Atomics.load(started, file) < makers) {}
    made.push(createFile(folder + '/' + file, String(maker).repeat(1_000)));
    contents.push(readFileSync(folder + '/' + file, 'utf8'));
  }
  parentPort.postMessage({ made, contents });
`;

function makeAll(path: string, number: number): Promise<Said> {
  const url = new URL(`data:text/javascript,${encodeURIComponent(maker)}`);
  const worker = new Worker(url, {
    workerData: {
      ...{ folder: path, maker: number, started, makers: MAKERS },
      url: import.meta.resolve('./create-file.ts'),
    },
  });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
}
