import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { blobStoreConformance, gather } from '#conformance/blob-store';
import { digestOf } from '#core/hash';
import { blobErrors } from '#ports/blob-store';
import { openFsBlobStore } from './index.ts';

blobStoreConformance('fs', async () => {
  const root = await mkdtemp(join(tmpdir(), 'kedge-blob-'));
  return { store: await openFsBlobStore({ root }), close: () => rm(root, { recursive: true }) };
});

const CONTENT = Buffer.from('content of some length');

async function temporaryFolder(t: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'kedge-blob-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  return root;
}

/** Runs module code in another process, with `openFsBlobStore` in scope. */
function script(code: string): readonly string[] {
  const door = JSON.stringify(import.meta.resolve('./index.ts'));
  return ['--input-type=module', '-e', `import { openFsBlobStore } from ${door};\n${code}`];
}

describe('fs blob store', () => {
  it('lays content out by the digits of its digest, readable for its owner only', async (t) => {
    const root = await temporaryFolder(t);
    const store = await openFsBlobStore({ root });
    const { digest } = await store.put(CONTENT);
    const path = await store.localPath(digest);
    const hex = digest.slice('sha256:'.length);
    assert.equal(path, join(root, hex.slice(0, 2), hex.slice(2)));
    assert.equal((await stat(path)).mode & 0o777, 0o400);
    assert.equal((await stat(dirname(path))).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(join(root, 'tmp')), []);
  });

  it('reports changed content as corrupt when it is read', async (t) => {
    const store = await openFsBlobStore({ root: await temporaryFolder(t) });
    const { digest } = await store.put(CONTENT);
    const path = await store.localPath(digest);
    await chmod(path, 0o600);
    await writeFile(path, Buffer.from(CONTENT).fill('x', 3, 4));
    const corrupt = { code: blobErrors.corrupt.code, message: new RegExp(digest) };
    await assert.rejects(store.read(digest), corrupt);
    await assert.rejects(gather(await store.get(digest)), corrupt);
  });

  it('replaces a file of the wrong length when its content is put again', async (t) => {
    const store = await openFsBlobStore({ root: await temporaryFolder(t) });
    const { digest, bytes } = await store.put(CONTENT);
    const path = await store.localPath(digest);
    await chmod(path, 0o600);
    await truncate(path, 5);
    await assert.rejects(store.localPath(digest, { bytes }), { code: blobErrors.corrupt.code });
    await store.put(CONTENT);
    assert.deepEqual(Buffer.from(await store.read(digest)), CONTENT);
  });

  it('refuses content past its limit, whole or as a stream, and keeps nothing of it', async (t) => {
    const root = await temporaryFolder(t);
    const store = await openFsBlobStore({ root, blobBytesMax: 100 });
    const tooLarge = { code: blobErrors['too-large'].code, message: /100 bytes/ };
    const endless = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) yield CONTENT;
    };
    await assert.rejects(store.put(Buffer.alloc(101)), tooLarge);
    await assert.rejects(store.put(endless()), tooLarge);
    assert.deepEqual(await readdir(root, { recursive: true }), ['tmp']);
  });

  it('does not list files that are not its own', async (t) => {
    const root = await temporaryFolder(t);
    const store = await openFsBlobStore({ root });
    const blob = await store.put(CONTENT);
    await mkdir(join(root, 'lost+found'));
    await writeFile(join(root, blob.digest.slice(7, 9), 'notes.txt'), 'x');
    const listed = await gather(store.list());
    assert.deepEqual(
      listed.map(({ digest, bytes }) => ({ digest, bytes })),
      [blob],
    );
  });
});

describe('fs blob store after a crash', () => {
  it('has nothing of a put whose process was killed, and removes its leftovers at the next open', async (t) => {
    const root = await temporaryFolder(t);
    const code = `
      const store = await openFsBlobStore({ root: ${JSON.stringify(root)} });
      await store.put((async function* () {
        yield new Uint8Array(300000);
        yield new Uint8Array(300000);
        process.kill(process.pid, 'SIGKILL');
      })());`;
    assert.equal(spawnSync(process.execPath, script(code)).signal, 'SIGKILL');
    assert.equal((await readdir(join(root, 'tmp'))).length, 1);
    const store = await openFsBlobStore({ root });
    assert.deepEqual(await readdir(join(root, 'tmp')), []);
    assert.deepEqual(await gather(store.list()), []);
  });

  it('leaves the writes in progress of other processes and of its own alone', async (t) => {
    const root = await temporaryFolder(t);
    const other = spawn(
      process.execPath,
      script(`
        const store = await openFsBlobStore({ root: ${JSON.stringify(root)} });
        const { digest } = await store.put((async function* () {
          yield Buffer.from('from another ');
          console.log('writing');
          await new Promise((resolve) => process.stdin.once('data', resolve));
          yield Buffer.from('process');
        })());
        console.log(digest);
        process.exit(0);`),
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    t.after(() => other.kill('SIGKILL'));
    const lines = other.stdout.setEncoding('utf8')[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'writing\n');
    const store = await openFsBlobStore({ root });
    await store.put(
      (async function* () {
        yield Buffer.from('mine');
        await openFsBlobStore({ root });
      })(),
    );
    other.stdin.write('go on\n');
    assert.equal((await lines.next()).value, `${digestOf('from another process')}\n`);
    assert.equal((await gather(store.list())).length, 2);
  });

  it('says no-space when the disk is full, and leaves nothing behind', async (t) => {
    const folder = await temporaryFolder(t);
    const mount = `mount -t tmpfs -o size=512k tmpfs ${folder}`;
    if (spawnSync('unshare', ['-rm', 'sh', '-c', mount]).status !== 0) {
      return t.skip('needs unshare(1) and user namespaces to mount a small disk');
    }
    const code = `
      import { readdirSync } from 'node:fs';
      const store = await openFsBlobStore({ root: '${folder}/store' });
      await store.put(Buffer.alloc(100000, 1));
      const code = await store.put(Buffer.alloc(1000000, 2)).catch((error) => error.code);
      const again = await store.put(Buffer.alloc(100000, 3));
      console.log(JSON.stringify([code, readdirSync('${folder}/store/tmp').length, again.bytes]));`;
    const [program, ...args] = ['sh', '-c', `${mount} && exec "$0" "$@"`, process.execPath, ...script(code)];
    const { stdout } = spawnSync('unshare', ['-rm', program!, ...args], { encoding: 'utf8' });
    assert.equal(stdout.trim(), JSON.stringify([blobErrors['no-space'].code, 0, 100000]));
  });
});
