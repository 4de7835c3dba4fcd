import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openLocalLog } from '#adapters/log/local';
import { realSystem } from '#core/system';
import { createLogger, createMetrics } from '#platform/observe';
import { APPEND_BYTES_MAX, PACKED_LENGTH, PACKED_ROOM, type SyncEventLog } from '#ports/event-log';
import { Backlog } from './backlog.ts';
import { armNames, EntryEncoder, encodeEntry } from './entry-codec.ts';
import { packPredictions, unpackPredictions } from './packed-predictions.ts';
import type { PredictionRecord } from './prediction-record.ts';
import { type PostResult, Shipper } from './shipper.ts';

const numbers = { at: 1, receivedAt: 1, score: 0.5, propensity: 1, latencyUs: 1, numeric: [] };
const names = { endpoint: 'e', revision: 'm@1', arm: 'current' };

async function openLog(t: TestContext): Promise<SyncEventLog> {
  const folder = await mkdtemp(join(tmpdir(), 'kedge-shipper-'));
  const log = await openLocalLog({ folder });
  t.after(async () => {
    await log.close();
    await rm(folder, { recursive: true });
  });
  return log;
}

/** Sends what is in the log to a control plane that says this to each post, and tells what was counted. */
async function ship(log: SyncEventLog, answer: (predictions: readonly PredictionRecord[]) => PostResult) {
  const metrics = createMetrics('gateway');
  const shipper = new Shipper({
    ...{ log, backlog: new Backlog(), system: realSystem(), logger: createLogger('shipper', 'silent'), everyMs: 1 },
    shippedTotal: metrics.counter('shipped_total', 'Sent.', ['outcome']),
    post: async (records) => answer(unpackPredictions(packPredictions(records), 2_000)),
    scoreAgain: () => [],
  });
  await shipper.start();
  await shipper.flush();
  await shipper.stop();
  return metrics.expose();
}

/** Predictions with nothing of their own, in one record. */
function groupOf(ids: readonly string[]): Uint8Array {
  const encoder = new EntryEncoder();
  const { endpoint, revision, arm } = names;
  for (const id of ids) {
    encoder.addPlain(armNames(endpoint, revision, arm), { id, at: 1, score: 0.5, row: { numeric: [1] } }, 7);
  }
  assert.equal(encoder.records, 1);
  return Buffer.from(encoder.packed.bytes.subarray(PACKED_ROOM + PACKED_LENGTH));
}

test('a score that never came holds up nothing, also where more is recorded after it than a page has', async (t) => {
  const log = await openLog(t);
  const waiting = { id: 'waits', ...names, ...numbers, categories: [] };
  log.appendSync([encodeEntry({ prediction: waiting, awaits: 'm@2' })]);
  const large = { id: 'large', ...names, ...numbers, categories: ['x'.repeat(1_000_000)] };
  const record = encodeEntry({ prediction: large });
  const count = Math.ceil(APPEND_BYTES_MAX / record.length) + 1;
  for (let i = 0; i < count; i++) log.appendSync([record]);

  const sent: string[] = [];
  await ship(log, (predictions) => {
    sent.push(...predictions.map(({ id, shadow }) => (shadow ? `${id} ${shadow.score}` : id)));
    return 'accepted';
  });

  assert.deepEqual([sent[0], sent.length], ['waits null', count + 1]);
});

test('all that is recorded is sent once and in its order, with the scores that came later', async (t) => {
  const log = await openLog(t);
  const expected: string[] = [];
  for (let i = 0; i < 60; i++) {
    const ids = Array.from({ length: 256 }, (_, at) => `r${i}.${at}`);
    const waiting = { id: `w${i}`, ...names, ...numbers, categories: [] };
    expected.push(...ids, `w${i} 0.25`);
    log.appendSync([groupOf(ids), encodeEntry({ prediction: waiting, awaits: 'm@2' })]);
    // The score of one comes behind the next group.
    if (i > 0) log.appendSync([encodeEntry({ shadowOf: `w${i - 1}`, shadow: { revision: 'm@2', score: 0.25 } })]);
  }
  log.appendSync([encodeEntry({ shadowOf: 'w59', shadow: { revision: 'm@2', score: 0.25 } })]);

  const sent: string[] = [];
  let posts = 0;
  const counted = await ship(log, (predictions) => {
    posts += 1;
    sent.push(...predictions.map(({ id, shadow }) => (shadow ? `${id} ${shadow.score}` : id)));
    return 'accepted';
  });

  assert.deepEqual(sent, expected);
  assert.equal(posts, Math.ceil(60 / 7));
  assert.match(counted, /shipped_total\{[^}]*outcome="accepted"[^}]*\} 15420/);
});

test('of a record that is refused, the predictions that are not at fault are sent all the same', async (t) => {
  const log = await openLog(t);
  log.appendSync([groupOf(['a', 'b', 'bad', 'c', 'd'])]);

  const posts: string[] = [];
  const counted = await ship(log, (predictions) => {
    const ids = predictions.map(({ id }) => id);
    if (ids.includes('bad')) return 'refused';
    posts.push(ids.join());
    return 'accepted';
  });

  assert.deepEqual(posts, ['a,b', 'c,d']);
  assert.match(counted, /shipped_total\{[^}]*outcome="accepted"[^}]*\} 4/);
  assert.match(counted, /shipped_total\{[^}]*outcome="refused"[^}]*\} 1/);
});
