import assert from 'node:assert/strict';
import { test } from 'node:test';
import { whenLoaded } from './when-loaded.ts';

/** A model that stays in memory from the given load on. */
function stayingAfter(staying: number) {
  let loads = 0;
  return {
    ready: () => (loads >= staying ? 'the model' : undefined),
    load: async () => {
      loads += 1;
    },
    use: (runtime: string) => `${runtime} after ${loads} loads`,
  };
}

test('a model is loaded until it is there', async () => {
  assert.equal(await whenLoaded(stayingAfter(0)), 'the model after 0 loads');
  assert.equal(await whenLoaded(stayingAfter(3)), 'the model after 3 loads');
  assert.equal(await whenLoaded(stayingAfter(10)), 'the model after 10 loads');
});

test('a model that never stays is given up with a reason', async () => {
  await assert.rejects(whenLoaded(stayingAfter(Number.POSITIVE_INFINITY)), {
    code: 'gateway/model-unavailable',
    message: /loaded 10 times, and others had pushed it out/,
  });
});
