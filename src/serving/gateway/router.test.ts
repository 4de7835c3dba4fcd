import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openFsBlobStore } from '#adapters/blob/fs';
import { ManualClock, systemClock } from '#core/clock';
import { createLogger } from '#platform/observe';
import { Router } from './router.ts';
import { ModelCache } from './runtime/model-cache.ts';
import { endpointOf, putModel } from './testing/gateway-harness.ts';
import { logisticModel } from './testing/models.ts';

test('a model that is never ready does not keep a routing table from coming into force', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-router-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const blobs = await openFsBlobStore({ root: folder });
  const logger = createLogger('test', 'silent');
  const declared = { open: () => new Promise<never>(() => {}) };
  const cache = new ModelCache({ blobs, declared, logger, memoryBytesMax: 1e9, choice: 'inline', clock: systemClock });
  const clock = new ManualClock();
  const protection = { clock, shared: undefined, onSharedDown: () => {}, onLook: () => {} };
  const router = new Router({ cache, logger, clock, protection });
  const model = logisticModel({ a: 1 });
  const bytes = new TextEncoder().encode('{"runtime":"external","url":"http://nowhere","model":"m"}');
  const good = await putModel(blobs, model, { name: 'good', version: 1 });
  const slow = await putModel(blobs, { ...model, bytes }, { name: 'slow', version: 1 });
  const endpoints = { good: endpointOf('good', good), slow: endpointOf('slow', slow) };

  const applied = router.apply({ version: 7, endpoints });
  assert.equal(router.version, -1);
  await clock.advance(10_000);
  await applied;

  assert.equal(router.version, 7);
  assert.equal(router.endpoint('slow').current.arm.revision, 'slow@1');
});
