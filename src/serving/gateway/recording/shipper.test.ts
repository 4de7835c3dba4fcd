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
import { encodeEntry } from './entry-codec.ts';
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
      sent.push(...records.map(({ id, shadow }) => (shadow ? `${id} ${shadow.score}` : id)));
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
