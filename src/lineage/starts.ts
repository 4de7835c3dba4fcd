import { liveAttempts, runFacts } from '#pipelines';
import type { Database } from '#platform/db';
import type { Job } from '#platform/domain';
import { type ConsumerDeps, readPinned, teller } from './consumer.ts';
import { countEvents } from './store.ts';

const EVERY_MS = 1_000;
const ATTEMPTS_MAX = 1_000;

/**
 * Tells that a step has begun while it goes on. The outbox has no event for that: it would double what each step costs,
 * for steps that are over before anybody looks. Those are told to have started when they end, with the time at which
 * they did.
 */
export function startsJob(db: Database, deps: ConsumerDeps): Job {
  let told = new Set<string>();
  return {
    name: 'lineage.starts',
    everyMs: EVERY_MS,
    async run(signal) {
      const live = new Set<string>();
      for (const attempt of await liveAttempts(db.reader, ATTEMPTS_MAX)) {
        const key = `${attempt.run}/${attempt.step}/${attempt.epoch}`;
        if (signal.aborted) return;
        if (!told.has(key) && !live.has(key)) await tellAttempt(db, deps, attempt);
        live.add(key);
      }
      told = live;
    },
  };
}

async function tellAttempt(
  db: Database,
  deps: ConsumerDeps,
  { run, step, epoch, startedAt }: Awaited<ReturnType<typeof liveAttempts>>[number],
): Promise<void> {
  const before = await runFacts(db.reader, run, step);
  if (before) await readPinned(deps.blobs, before, deps.pinned);
  await db.maintain(async (tx) => {
    const facts = await runFacts(tx.db, run, step);
    if (facts?.steps[0]?.status !== 'running') return;
    const tell = teller(tx, { facts, pinned: deps.pinned, identity: deps.identity });
    if (!(await tell.has('START', 'step'))) await tell.start(tx.now);
    // A further attempt goes on with what was started. After a restart, what was told of it is counted.
    else if ((await countEvents(tx.db, { run, step }, 'RUNNING')) < epoch - 1) await tell.step('RUNNING', startedAt);
  });
}
