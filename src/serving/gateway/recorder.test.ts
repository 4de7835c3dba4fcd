import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLocalLog } from '#adapters/log/local';
import { systemClock } from '#core/clock';
import { digestOf } from '#core/hash';
import { createLogger, createMetrics } from '#platform/observe';
import { decodeEntry } from './entry-codec.ts';
import { liveEndpoint } from './live-endpoint.ts';
import { type Prediction, replyTo } from './prediction.ts';
import { Recorder } from './recorder.ts';
import { endpointOf } from './testing/gateway-harness.ts';

const signature = { inputs: [{ name: 'x', kind: 'numeric' as const }], output: 'value' as const };
const endpoint = liveEndpoint(
  endpointOf('e', { revision: 'm@1', model: 'm', version: 1, digest: digestOf('1'), signature }),
  0,
);

function prediction(i: number): Prediction {
  return {
    ...{ endpoint, candidate: undefined, id: `p-${i}`, at: i, receivedAt: i, startedMs: 0, entities: undefined },
    ...{ row: { numeric: [i], categories: [] }, candidateRow: undefined, reply: replyTo({ waiting: 1, finish() {} }) },
    ...{ named: false, chosenBy: undefined, propensity: 1, arm: 'current', score: i / 3, error: undefined },
    ...{ fallback: undefined, standIn: undefined, cached: false, nodes: undefined, work: undefined },
  };
}

test('what one turn has to record is recorded whole, also where it is more than one append may have', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-recorder-'));
  const log = await openLocalLog({ folder });
  t.after(async () => {
    await log.close();
    await rm(folder, { recursive: true });
  });
  const metrics = createMetrics('gateway');
  const recorder = new Recorder({
    ...{ log, metrics, clock: systemClock, logger: createLogger('recorder', 'fatal'), end: 0 },
    ...{ queueMax: 1_000_000, shipped: () => 0, onRecorded() {} },
  });

  const all = Array.from({ length: 25_001 }, (_, i) => prediction(i));
  recorder.record(all);

  assert.equal(recorder.end, all.length);
  const ids: string[] = [];
  for (let after = 0; after < recorder.end; ) {
    const page = await log.read({ after });
    for (const { data } of page.records) {
      const entry = decodeEntry(data);
      assert.ok(entry && 'prediction' in entry);
      ids.push(entry.prediction.id);
    }
    after = page.last;
  }
  assert.deepEqual(
    ids,
    all.map(({ id }) => id),
  );
  assert.match(await metrics.expose(), /kedge_gateway_records_total\{[^}]*outcome="recorded"[^}]*\} 25001/);
});
