import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '#core/clock';
import { createLogger } from '#platform/observe';
import { RecentLog } from './recent-log.ts';

test('warnings and errors are remembered with their fields and time, the newest of a time within a limit', () => {
  const clock = new ManualClock(1_000);
  const recent = new RecentLog(clock);
  const logger = recent.remembering(createLogger('test', 'silent'));
  logger.info('not this');
  logger.warn({ endpoint: 'e', count: 3, nested: {} }, 'it is slow');
  clock.advance(10);
  logger.error(new Error('boom'), 'it failed');
  logger.warn('x'.repeat(2_000));
  assert.deepEqual(recent.between(1_000, 1_010, 10), [
    { at: 1_000, level: 'warn', text: 'it is slow endpoint=e count=3' },
  ]);
  const later = recent.between(1_010, 2_000, 10);
  assert.deepEqual([later.map(({ level }) => level), later[1]?.text.length], [['error', 'warn'], 500]);
  for (let i = 0; i < 1_200; i++) logger.warn(`line ${i}`);
  assert.equal(recent.between(0, 1e6, 1).at(-1)?.text, 'line 1199');
  assert.ok(recent.between(0, 1e6, 10_000).length <= 500);
});
