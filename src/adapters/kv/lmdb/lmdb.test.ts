import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it, type TestContext } from 'node:test';
import { keyValueConformance } from '#conformance/key-value';
import { keyValueErrors } from '#ports/key-value';
import { openLmdbKeyValue } from './index.ts';

keyValueConformance('lmdb', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-kv-'));
  const store = await openLmdbKeyValue({ path: join(folder, 'data.mdb') });
  const close = async (): Promise<void> => {
    await store.close();
    await rm(folder, { recursive: true });
  };
  return { store, close };
});

const VALUE = Buffer.from('value');

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-kv-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs module code in another process, with `openLmdbKeyValue` and `path` in scope. */
function script(path: string, code: string): readonly string[] {
  const door = JSON.stringify(import.meta.resolve('./index.ts'));
  const head = `import { openLmdbKeyValue } from ${door};\nconst path = ${JSON.stringify(path)};`;
  return ['--input-type=module', '-e', `${head}\n${code}`];
}

describe('lmdb key-value store', () => {
  it('keeps what was written when it is opened again', async (t) => {
    const path = join(await temporaryFolder(t), 'nested', 'store.mdb');
    const first = await openLmdbKeyValue({ path });
    await first.putMany([{ key: 'a', value: VALUE }]);
    await first.close();
    const second = await openLmdbKeyValue({ path });
    t.after(() => second.close());
    assert.deepEqual(Buffer.from((await second.get('a')) ?? ''), VALUE);
  });

  it('refuses to write when it is opened for reading, and to read what does not exist', async (t) => {
    const path = join(await temporaryFolder(t), 'data.mdb');
    await assert.rejects(openLmdbKeyValue({ path, readOnly: true }), {
      code: keyValueErrors['not-found'].code,
      message: new RegExp(path),
    });
    await (await openLmdbKeyValue({ path })).close();
    const reader = await openLmdbKeyValue({ path, readOnly: true });
    t.after(() => reader.close());
    const readOnly = { code: keyValueErrors['read-only'].code };
    await assert.rejects(reader.putMany([{ key: 'a', value: VALUE }]), readOnly);
    await assert.rejects(reader.deleteMany(['a']), readOnly);
    assert.equal(await reader.get('a'), undefined);
  });

  it('shows every committed write at once to a reader in another process, while the file grows', async (t) => {
    const path = join(await temporaryFolder(t), 'data.mdb');
    const writer = await openLmdbKeyValue({ path });
    t.after(() => writer.close());
    await writer.putMany([{ key: 'round', value: Buffer.from('none') }]);
    const code = `
      const reader = await openLmdbKeyValue({ path, readOnly: true });
      console.log('ready');
      for await (const line of process.stdin.setEncoding('utf8')) {
        const [round, blob] = reader.getManySync(['round', 'blob/' + line.trim()]);
        console.log(String(round), blob?.length);
      }
      await reader.close();`;
    const child = spawn(process.execPath, script(path, code), { stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'ready');
    for (let round = 0; round < 30; round++) {
      const blob = { key: `blob/${round}`, value: Buffer.alloc(1024 * 1024, round) };
      await writer.putMany([{ key: 'round', value: Buffer.from(String(round)) }, blob]);
      child.stdin.write(`${round}\n`);
      assert.equal((await lines.next()).value, `${round} ${1024 * 1024}`);
    }
    child.stdin.end();
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });

  it('keeps every write that resolved before its process was killed', async (t) => {
    const path = join(await temporaryFolder(t), 'data.mdb');
    const code = `
      import { writeSync } from 'node:fs';
      const store = await openLmdbKeyValue({ path });
      for (let round = 0; ; round++) {
        const value = Buffer.from(String(round));
        await store.putMany([...Array(20).keys()].map((i) => ({ key: 'k' + i, value })));
        writeSync(1, round + '\\n');
      }`;
    const child = spawn(process.execPath, script(path, code), { stdio: ['ignore', 'pipe', 'inherit'] });
    let lastRound = -1;
    for await (const line of createInterface({ input: child.stdout })) {
      lastRound = Number(line);
      if (lastRound === 40) child.kill('SIGKILL');
    }
    const store = await openLmdbKeyValue({ path });
    t.after(() => store.close());
    const values = await store.getMany(Array.from({ length: 20 }, (_, i) => `k${i}`));
    const rounds = new Set(values.map((value) => Number(Buffer.from(value ?? '').toString())));
    assert.equal(rounds.size, 1);
    assert.ok([...rounds][0]! >= lastRound && lastRound >= 40);
  });

  it('says no-space when the disk is full, writes nothing, and goes on when there is space', async (t) => {
    const folder = await temporaryFolder(t);
    const mount = `mount -t tmpfs -o size=1m tmpfs ${folder}`;
    if (spawnSync('unshare', ['-rm', 'sh', '-c', mount]).status !== 0) {
      return t.skip('needs unshare(1) and user namespaces to mount a small disk');
    }
    const code = `
      import { rmSync, writeFileSync } from 'node:fs';
      writeFileSync(${JSON.stringify(join(folder, 'ballast'))}, Buffer.alloc(500000));
      const store = await openLmdbKeyValue({ path });
      const entries = (value) => [...Array(8).keys()].map((i) => ({ key: 'k' + i, value }));
      await store.putMany(entries(Buffer.from('small')));
      const code = await store.putMany(entries(Buffer.alloc(90000))).catch((error) => error.code);
      const after = String(await store.get('k0')) + String(await store.get('k7'));
      rmSync(${JSON.stringify(join(folder, 'ballast'))});
      await store.putMany(entries(Buffer.alloc(20000)));
      console.log(JSON.stringify([code, after, (await store.get('k7'))?.length]));
      await store.close();`;
    const shell = ['-rm', 'sh', '-c', `${mount} && exec "$0" "$@"`, process.execPath];
    const run = spawnSync('unshare', [...shell, ...script(join(folder, 'data.mdb'), code)], { encoding: 'utf8' });
    assert.equal(run.stdout.trim(), JSON.stringify([keyValueErrors['no-space'].code, 'smallsmall', 20000]));
    assert.equal(run.status, 0);
  });
});

describe('lmdb key-value store on a damaged file', () => {
  const PAGE_BYTES = 4096;

  async function soundFile(t: TestContext): Promise<{ readonly path: string; readonly content: Buffer }> {
    const path = join(await temporaryFolder(t), 'data.mdb');
    const store = await openLmdbKeyValue({ path });
    for (let i = 0; i < 10; i++) await store.putMany([{ key: `k${i}`, value: Buffer.alloc(20_000, i) }]);
    await store.close();
    return { path, content: await readFile(path) };
  }

  const damages: Readonly<Record<string, (content: Buffer) => Buffer>> = {
    'is not an LMDB file': () => Buffer.from('no database at all\n'.repeat(2_000)),
    'is all zeros': (content) => Buffer.alloc(content.length),
    'is cut within the first page': (content) => content.subarray(0, 100),
    'is cut after the meta pages': (content) => content.subarray(0, 2 * PAGE_BYTES),
    'is cut in the middle': (content) => content.subarray(0, content.length / 2),
    'has lost a meta page': (content) => Buffer.from(content).fill(0xff, 0, 200),
    'has lost everything but its meta pages': (content) => Buffer.from(content).fill(0x5a, 2 * PAGE_BYTES),
  };
  for (const [what, damage] of Object.entries(damages)) {
    it(`refuses a file that ${what}, names it and says what to do`, async (t) => {
      const { path, content } = await soundFile(t);
      await writeFile(path, damage(content));
      for (const readOnly of [false, true]) {
        await assert.rejects(openLmdbKeyValue({ path, readOnly }), {
          code: keyValueErrors.corrupt.code,
          message: new RegExp(`'${path}' is damaged: .*; move it`),
        });
      }
    });
  }

  it('opens an empty file as an empty store', async (t) => {
    const path = join(await temporaryFolder(t), 'data.mdb');
    await writeFile(path, '');
    const store = await openLmdbKeyValue({ path });
    t.after(() => store.close());
    assert.deepEqual(await store.range({ prefix: '', limit: 1 }), []);
  });

  it('opens a file whose missing end holds no data', async (t) => {
    const { path, content } = await soundFile(t);
    const store = await openLmdbKeyValue({ path });
    await store.deleteMany(Array.from({ length: 10 }, (_, i) => `k${i}`));
    await store.putMany([{ key: 'a', value: VALUE }]);
    await store.close();
    await truncate(path, content.length - PAGE_BYTES);
    const again = await openLmdbKeyValue({ path });
    t.after(() => again.close());
    assert.deepEqual(Buffer.from((await again.get('a')) ?? ''), VALUE);
  });
});
