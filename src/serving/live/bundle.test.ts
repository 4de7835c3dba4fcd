import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestsOf } from './bundle.ts';
import type { OddRequest } from './observation.ts';

const odd = (id: string, kind: OddRequest['kind'] = 'failed'): OddRequest => ({
  ...{ id, at: 1, kind, text: 'no such car', currentScore: null, candidateScore: null, latencyMs: 1 },
});

test('a request that came with its block and with the report is in the bundle once', () => {
  const blocks = [{ odd: [odd('a'), odd('b')] }, { odd: [odd('b', 'slow')] }];

  const requests = requestsOf(blocks, [odd('b'), odd('c')]);

  assert.deepEqual(requests, [odd('a'), odd('b'), odd('b', 'slow'), odd('c')]);
});

test('a bundle has the newest requests', () => {
  const requests = requestsOf([{ odd: Array.from({ length: 100 }, (_, i) => odd(`${i}`)) }], [odd('reported')]);

  assert.deepEqual([requests.length, requests[0]?.id, requests.at(-1)?.id], [100, '1', 'reported']);
});
