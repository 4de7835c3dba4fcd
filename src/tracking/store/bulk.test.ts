import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Context } from '#platform/db';
import type { BlobStore } from '#ports/blob-store';
import { forEachDialect } from '#testing/databases';
import { trackingMigrations } from '../migrations/index.ts';
import { ExperimentService } from '../services/experiments.ts';
import { LogService } from '../services/logging.ts';
import { RunService } from '../services/runs.ts';

const ada: Context = { actor: { id: 'user:ada', roles: ['editor'] }, action: 'test' };
const texts = fc.oneof(
  fc.constantFrom('null', 'NULL', '{}', '{a,b}', '"', '\\', '\\"', ',', ' ', "'", '\n', '$1'),
  fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }).filter((text) => !text.includes('\0')),
);

forEachDialect('Rows written together', trackingMigrations, (openDb) => {
  test('names and values come back as they were, whatever is in them and however many there are', async () => {
    const { deps: common, close } = await openDb();
    // Nothing here touches content.
    const deps = { ...common, blobs: {} as BlobStore };
    const [runs, log] = [new RunService(deps), new LogService(deps)];
    const { id: experiment } = await new ExperimentService(deps).create(ada, { name: 'e', tags: [] });
    const drawn = fc.record({
      params: fc.dictionary(texts, texts, { maxKeys: 12 }),
      values: fc.dictionary(texts, fc.double(), { minKeys: 1, maxKeys: 300 }),
    });
    await fc.assert(
      fc.asyncProperty(drawn, async ({ params, values }) => {
        const { id } = await runs.create(ada, { experiment, startedAt: 0, tags: {} });
        const metrics = Object.entries(values).map(([key, value], i) => ({ key, value, step: -i, timestamp: i }));
        await log.batch(ada, id, { metrics, params, tags: {} });
        const found = await runs.get(ada, id);
        assert.deepEqual({ ...found.params }, { ...params });
        const latest = Object.entries(found.metrics).map(([key, { value }]) => [key, value]);
        // The dialects keep one zero.
        const logged = Object.entries(values).map(([key, value]) => [key, value === 0 ? 0 : value]);
        assert.deepEqual(Object.fromEntries(latest), Object.fromEntries(logged));
      }),
      { numRuns: 15 },
    );
    await close();
  });
});
