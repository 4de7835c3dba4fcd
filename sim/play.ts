import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqlite } from '#adapters/sql/sqlite';
import type { Digest } from '#core/hash';
import { pipelineMigrations } from '#pipelines';
import { applyMigrations, platformMigrations } from '#platform/db';
import { checkEnd, checkNoLoss } from './check/check-end.ts';
import { Observer } from './check/observer.ts';
import { Cast } from './nodes/cast.ts';
import { drawWorkload } from './workload.ts';
import type { Blobs } from './world/blobs.ts';
import { emptyDisk } from './world/disk.ts';
import { CALM, drawPlan, isQuiet } from './world/plan.ts';
import type { Process } from './world/process.ts';
import { WriteLock } from './world/store.ts';
import { type Violation, World } from './world/world.ts';

export interface Played {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** How often each fault has really happened. */
  readonly faults: ReadonlyMap<string, number>;
  /** Events of the world, committed transactions, runs. */
  readonly steps: number;
  readonly commits: number;
  readonly runs: number;
  readonly virtualMs: number;
}

export interface PlayOptions {
  readonly onTrace?: ((line: string) => void) | undefined;
}

const CHAOS_MS_MIN = 8_000;
const CHAOS_MS_MAX = 30_000;
/** Within this time after the last fault every run has ended, whatever happened before. */
const LIVENESS_MS = 10 * 60_000;
/** After the last end nothing may change any more. */
const REST_MS = 15_000;

/** What a worker says of an attempt once its process has ended. */
const REPORTED: ReadonlySet<string> = new Set(['succeeded', 'failed', 'released', 'cancelled']);

/** Where worlds keep their database: a copy of one to which the migrations were applied. */
export class Stage {
  readonly #dir = mkdtempSync(join(tmpdir(), 'kedge-sim-'));
  readonly #template = join(this.#dir, 'template.sqlite');

  static async open(): Promise<Stage> {
    const stage = new Stage();
    const store = openSqlite(stage.#template);
    await applyMigrations(store, [...platformMigrations, ...pipelineMigrations]);
    await store.close();
    return stage;
  }

  /** Plays the world of a seed from its beginning until everything in it has ended. */
  async play(seed: number, { onTrace }: PlayOptions = {}): Promise<Played> {
    const path = join(this.#dir, 'world.sqlite');
    for (const ending of ['', '-wal', '-shm']) rmSync(`${path}${ending}`, { force: true });
    copyFileSync(this.#template, path);
    const world = new World({ seed, onTrace });
    const observer = new Observer(path);
    let commits = 0;
    const onCommit = ({ name }: Process): void => {
      commits += 1;
      const broken = observer.afterCommit(onTrace && ((move) => world.tell(() => `  ${name} commits ${move}`)));
      const early = cast.runningAttempts().find((attempt) => REPORTED.has(observer.attemptStatus(attempt) ?? ''));
      if (broken) world.violated(broken);
      else if (early) world.violated({ invariant: 5, message: `attempt ${early} is over while its process runs` });
    };
    const blobs: Blobs = new Map();
    emptyDisk((file) => refuseWhenFull(world, file));
    const cast = new Cast(world, { shared: { path, lock: new WriteLock(), onCommit }, blobs });
    try {
      await playStory(world, { cast, observer, blobs });
    } finally {
      cast.close();
      observer.close();
    }
    const { violation, faults, steps, nowMs } = world;
    return { seed, violation, faults, steps, commits, runs: observer.runs, virtualMs: nowMs };
  }

  close(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

async function playStory(
  world: World,
  { cast, observer, blobs }: { readonly cast: Cast; readonly observer: Observer; readonly blobs: Blobs },
): Promise<void> {
  const chaosMs = world.between(CHAOS_MS_MIN, CHAOS_MS_MAX);
  const plan = drawPlan(world.random);
  const workload = drawWorkload(world.random, chaosMs);
  world.tell(() => `plan ${JSON.stringify(plan)}`);
  world.tell(() => `workload ${JSON.stringify(workload)}`);
  world.plan = plan;
  world.isQuiet = isQuiet(plan);
  const users = cast.start(workload);
  await world.play(chaosMs, () => false);
  world.tell(() => 'faults end');
  world.plan = CALM;
  cast.heal();
  await world.play(world.nowMs + LIVENESS_MS, () => users.done && observer.quiet && cast.isIdle());
  const before = JSON.stringify(observer.history());
  await world.play(world.nowMs + REST_MS, () => false);
  if (world.violation) return;
  if (!users.done) world.violated({ invariant: 4, message: 'a request of a user is not answered' });
  const stored = (digest: string) => {
    const bytes = blobs.get(digest as Digest);
    return bytes && { bytes: bytes.length, text: Buffer.from(bytes).toString() };
  };
  const history = observer.history();
  const broken = checkEnd(history, stored) ?? observer.told() ?? (world.isQuiet ? checkNoLoss(history) : undefined);
  if (broken) world.violated(broken);
  if (before !== JSON.stringify(history)) world.violated({ invariant: 3, message: 'the recorded end has changed' });
  const lost = [...users.started.values()].find((run) => !history.runs.some((row) => row.id === run));
  if (lost) world.violated({ invariant: 2, message: `run ${lost} was answered and is not there` });
}

function refuseWhenFull(world: World, file: string): void {
  if (!world.chance(world.plan.diskFull)) return;
  world.fault('disk of a worker full', file);
  throw Object.assign(new Error(`ENOSPC: no space left on device, '${file}'`), { code: 'ENOSPC' });
}
