import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import type { Digest } from '#core/hash';
import type { Context } from '#platform/db';
import { Relay } from '#platform/events';
import type { BlobStore } from '#ports/blob-store';
import { forEachDialect } from '#testing/databases';
import { createRegistry, registryMigrations } from './index.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };

/** A store in a folder that says what it was told to lock. */
async function openLocking(t: { after(work: () => Promise<void>): void }) {
  const root = await mkdtemp(join(tmpdir(), 'kedge-retention-'));
  t.after(() => rm(root, { recursive: true }));
  const store = await openFsBlobStore({ root });
  const locked: Digest[] = [];
  const blobs: BlobStore = Object.assign(await openFsBlobStore({ root }), {
    async retain(digest: Digest): Promise<boolean> {
      await store.size(digest);
      locked.push(digest);
      return true;
    },
  });
  return { store, blobs, locked };
}

forEachDialect('Retention of registered files', registryMigrations, (openDb) => {
  test('locks each file of a version once, those registered before included, and gone ones pass', async (t) => {
    const database = await openDb();
    t.after(() => database.close());
    const { store, blobs, locked } = await openLocking(t);
    const gate = { decide: async () => ({ allow: true, policy: 'none', satisfied: [] }) as const };
    const plain = createRegistry({ ...database.deps, gate, blobs: store });
    assert.deepEqual(plain.parts.consumers, []);
    const put = async (path: string, content: string) => ({ path, ...(await store.put(Buffer.from(content))) });
    const signature = { inputs: [{ name: 'distance', kind: 'numeric' as const }], output: 'probability' as const };
    const draft = { run: 'trk_1', cause: { kind: 'user' as const, id: 'user/ada', depth: 0 }, signature };
    const [model, card, gone] = [await put('model.onnx', 'model'), await put('card.md', 'card'), await put('x', 'x')];
    await plain.registerVersion(ada, { ...draft, model: 'delays', artifacts: [model, card, gone] });
    await store.delete(gone.digest);

    const locking = createRegistry({ ...database.deps, gate, blobs });
    const failures: string[] = [];
    const relay = new Relay({
      db: database.db,
      system: database.deps.system,
      consumers: locking.parts.consumers,
      onError: (_consumer, _event, message) => void failures.push(message),
    });
    relay.start();
    t.after(() => relay.stop());
    await locking.registerVersion(ada, { ...draft, model: 'delays', artifacts: [await put('model.onnx', 'newer')] });
    const end = performance.now() + 30_000;
    while (locked.length < 3 && performance.now() < end) {
      await database.clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }

    const newer = (await store.put(Buffer.from('newer'))).digest;
    assert.deepEqual([...locked].sort(), [model.digest, card.digest, newer].sort());
    assert.deepEqual(failures, []);
  });
});
