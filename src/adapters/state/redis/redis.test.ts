import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, test } from 'node:test';
import { Redis } from 'ioredis';
import type { SharedState } from '#ports/shared-state';
import { openRedis } from './index.ts';

const URL = process.env['KEDGE_TEST_REDIS_URL'];
const skip = URL ? false : 'KEDGE_TEST_REDIS_URL names no Redis';

/** The first answer, once the connection stands. */
async function ready(shared: SharedState): Promise<SharedState> {
  for (const deadline = performance.now() + 30_000; ; ) {
    try {
      await shared.get('anything');
      return shared;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('Shared state in Redis', { skip }, () => {
  const prefix = `kedge-test:${randomUUID()}:`;
  const opened: SharedState[] = [];
  const open = async (): Promise<SharedState> => {
    const shared = await ready(openRedis({ url: URL ?? '', prefix, timeoutMs: 30_000 }));
    opened.push(shared);
    return shared;
  };
  after(() => Promise.all(opened.map((shared) => shared.close())));

  test('two gateways together get what one bucket holds, and are told when more is there', async () => {
    const [a, b] = [await open(), await open()];
    const take = { key: 'bucket', perMs: 1e-9, burst: 10, tokens: 1 };

    const outcomes = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? a : b).takeTokens([take])));

    assert.equal(outcomes.filter(({ taken }) => taken).length, 10);
    const refused = outcomes.find(({ taken }) => !taken);
    assert.ok(refused && !refused.taken && refused.place === 0 && refused.waitMs > 1e8);
  });

  test('tokens are taken from all buckets or from none', async () => {
    const shared = await open();
    const rich = { key: 'rich', perMs: 1e-9, burst: 2, tokens: 1 };
    const poor = { key: 'poor', perMs: 1e-9, burst: 1, tokens: 1 };

    const outcomes = [];
    for (let i = 0; i < 4; i++) outcomes.push(await shared.takeTokens([rich, poor]));

    assert.deepEqual(
      outcomes.map((outcome) => outcome.taken || outcome.place),
      [true, 1, 1, 1],
    );
    assert.deepEqual(await shared.takeTokens([rich]), { taken: true });
  });

  test('values are bytes that another gateway reads, and every key ends by itself', async () => {
    const [a, b] = [await open(), await open()];
    await a.set('answer', Uint8Array.of(0, 255, 10), 60_000);

    assert.deepEqual([...((await b.get('answer')) ?? [])], [0, 255, 10]);
    assert.equal(await b.get('none'), undefined);
    const redis = new Redis(URL ?? '');
    const keys = await redis.keys(`${prefix}*`);
    assert.ok(keys.length >= 3);
    for (const key of keys) assert.ok((await redis.pttl(key)) > 0, key);
    redis.disconnect();
  });
});

test('without a server every call rejects at once, and that is told once', async () => {
  const told: string[] = [];
  const shared = openRedis({ url: 'redis://127.0.0.1:1', onLost: (message) => told.push(message) });

  for (let i = 0; i < 3; i++) await assert.rejects(shared.get('x'));
  await assert.rejects(shared.takeTokens([{ key: 'x', perMs: 1, burst: 1, tokens: 1 }]));

  await shared.close();
  assert.ok(told.length <= 1);
});
