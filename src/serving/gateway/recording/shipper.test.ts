import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLocalLog } from '#adapters/log/local';
import { realSystem } from '#core/system';
import { createLogger, createMetrics } from '#platform/observe';
import { APPEND_BYTES_MAX } from '#ports/event-log';
import { Backlog } from './backlog.ts';
import { armNames, EntryEncoder, encodeEntry } from './entry-codec.ts';
import { packPredictions, unpackPredictions } from './packed-predictions.ts';
import { Shipper } from './shipper.ts';

test('a score that never came holds up nothing, also where more is recorded after it than a page has', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-shipper-'));
  const log = await openLocalLog({ folder });
  const numbers = { at: 1, receivedAt: 1, score: 0.5, propensity: 1, latencyUs: 1, numeric: [] };
  const names = { endpoint: 'e', revision: 'm@1', arm: 'current' };
  const waiting = { id: 'waits', ...names, ...numbers, categories: [] };
  log.appendSync([encodeEntry({ prediction: waiting, awaits: 'm@2' })]);
  const large = { id: 'large', ...names, ...numbers, categories: ['x'.repeat(1_000_000)] };
  const record = encodeEntry({ prediction: large });
  const count = Math.ceil(APPEND_BYTES_MAX / record.length) + 1;
  for (let i = 0; i < count; i++) log.appendSync([record]);

  const sent: string[] = [];
  const shipper = new Shipper({
    ...{ log, backlog: new Backlog(), system: realSystem(), logger: createLogger('shipper', 'fatal'), everyMs: 1 },
    shippedTotal: createMetrics('gateway').counter('shipped_total', 'Sent.', ['outcome']),
    post: async (records) => {
      const predictions = unpackPredictions(packPredictions(records), 2_000);
      sent.push(...predictions.map(({ id, shadow }) => (shadow ? `${id} ${shadow.score}` : id)));
      return 'accepted';
    },
    scoreAgain: () => [],
  });
  t.after(async () => {
    await shipper.stop();
    await log.close();
    await rm(folder, { recursive: true });
  });
  await shipper.start();
  await shipper.flush();

  assert.deepEqual([sent[0], sent.length], ['waits null', count + 1]);
});

test('of a record that is refused, the predictions that are not at fault are sent all the same', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-shipper-'));
  const log = await openLocalLog({ folder });
  const encoder = new EntryEncoder();
  const names = armNames('e', 'm@1', 'current');
  for (const id of ['a', 'b', 'bad', 'c', 'd']) {
    encoder.addPlain(names, { id, at: 1_000, score: 0.5, row: { numeric: [1] } }, 7);
  }
  assert.equal(encoder.records, 1);
  await log.appendPacked(encoder.packed);

  const posts: string[] = [];
  const metrics = createMetrics('gateway');
  const shipper = new Shipper({
    ...{ log, backlog: new Backlog(), system: realSystem(), logger: createLogger('shipper', 'silent'), everyMs: 1 },
    shippedTotal: metrics.counter('shipped_total', 'Sent.', ['outcome']),
    post: async (records) => {
      const ids = unpackPredictions(packPredictions(records), 2_000).map(({ id }) => id);
      if (ids.includes('bad')) return 'refused';
      posts.push(ids.join());
      return 'accepted';
    },
    scoreAgain: () => [],
  });
  t.after(async () => {
    await shipper.stop();
    await log.close();
    await rm(folder, { recursive: true });
  });
  await shipper.start();
  await shipper.flush();

  assert.deepEqual(posts, ['a,b', 'c,d']);
  const counted = await metrics.expose();
  assert.match(counted, /shipped_total\{[^}]*outcome="accepted"[^}]*\} 4/);
  assert.match(counted, /shipped_total\{[^}]*outcome="refused"[^}]*\} 1/);
});
