import { durationMs } from '#core/units';
import { comparisonBlock } from '#serving';
import { BLOCK_MS, blockOf } from '../comparison.ts';
import type { AdvanceView, EvaluatedItem, SignalView } from '../contract.ts';
import { monitoringErrors } from '../errors.ts';
import { watermarkAdvanced } from '../events.ts';
import { type DueItem, firstDue, type Progress, type Stage, windowStartOf } from '../model.ts';
import { publishDrift, publishFigures } from '../store/figures.ts';
import {
  closeReopened,
  moveProgress,
  moveRollout,
  progressOfEndpoints,
  type Reopened,
  raiseWatermark,
  reopenedOf,
  rolloutsOf,
  watermarkOf,
} from '../store/progress.ts';
import { firstAt, firstAtOfRollout, rolloutRows } from '../store/records.ts';
import { insertBlock } from '../store/signals.ts';
import { decideAlerts } from './alerts.ts';
import { type Monitor, type MonitoringDeps, monitorsOf } from './deps.ts';
import { measureWindow } from './measure.ts';

const LISTED_MAX = 1_000;

interface Outcome {
  readonly published: number;
  readonly signals: readonly SignalView[];
}

/** A monitor with how far it was evaluated, or a rollout with how far its blocks were. */
type Source =
  | { readonly monitor: Monitor; readonly stage: Stage; readonly windowMs: number; readonly latenessMs: number }
  | { readonly rollout: string; readonly endpoint: string; readonly windowMs: number; readonly latenessMs: number };

interface Next {
  readonly source: Source;
  /** Where the source stands; the transaction that evaluates the item moves it on from here, or does nothing. */
  readonly cursor: number;
  readonly item: DueItem;
}

/**
 * Evaluates what the watermark of an endpoint has made due. Invariants:
 * 1. Items are evaluated in the order of their due time in event time, whatever steps the watermark takes.
 * 2. An item's results, its event and the marker that it is done commit together, so each is done exactly once.
 * 3. After a crash anywhere, advancing again does the rest.
 */
export class Evaluation {
  readonly #deps: MonitoringDeps;
  /** The last evaluation of each endpoint: one at a time. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(deps: MonitoringDeps) {
    this.#deps = deps;
  }

  /**
   * Moves the watermark to `to` (never back) and evaluates everything up to it. Errors: `monitoring/wall-clock` when
   * every monitor of the endpoint follows the wall clock.
   */
  async advance(endpoint: string, to: number): Promise<AdvanceView> {
    const monitors = await monitorsOf(this.#deps, endpoint);
    if (followsWallClock(monitors)) {
      throw monitoringErrors['wall-clock'](
        `the monitors of endpoint '${endpoint}' have clock: wall; declare clock: declared to move it yourself`,
      );
    }
    return this.#inTurn(endpoint, monitors, to);
  }

  /** Advances every endpoint whose monitors follow the wall clock to now. */
  async followClock(signal: AbortSignal): Promise<void> {
    const byEndpoint = Map.groupBy(await monitorsOf(this.#deps), (monitor) => monitor.spec.endpoint);
    for (const [endpoint, monitors] of byEndpoint) {
      if (signal.aborted) return;
      if (followsWallClock(monitors)) {
        await this.#inTurn(endpoint, monitors, this.#deps.system.clock.now(), signal);
      }
    }
  }

  #inTurn(endpoint: string, monitors: readonly Monitor[], to: number, signal?: AbortSignal): Promise<AdvanceView> {
    const work = (): Promise<AdvanceView> => this.#evaluate(endpoint, monitors, { to, signal });
    const turn = (this.#turns.get(endpoint) ?? Promise.resolve()).then(work, work);
    this.#turns.set(endpoint, turn);
    const forget = (): void => {
      if (this.#turns.get(endpoint) === turn) this.#turns.delete(endpoint);
    };
    turn.then(forget, forget);
    return turn;
  }

  async #evaluate(
    endpoint: string,
    monitors: readonly Monitor[],
    { to, signal }: { readonly to: number; readonly signal: AbortSignal | undefined },
  ): Promise<AdvanceView> {
    const { db } = this.#deps;
    const evaluated: EvaluatedItem[] = [];
    const signals: SignalView[] = [];
    const add = (item: Omit<EvaluatedItem, 'published'>, outcome: Outcome): void => {
      evaluated.push({ ...item, published: outcome.published });
      signals.push(...outcome.signals);
    };
    const before = (await watermarkOf(db.reader, endpoint)) ?? 0;
    const progress = new Map((await progressOfEndpoints(db.reader, [endpoint])).map((p) => [p.monitor, p]));
    const names = monitors.map(({ name }) => name);
    // What is late is settled before the watermark moves, so that after a crash it is settled at the same event time.
    for (const window of await reopenedOf(db.reader, names)) {
      if (signal?.aborted) break;
      const times = { before, at: Math.max(before, to) };
      const outcome = await this.#remeasure(window, { monitors, progress, times });
      if (outcome) add({ kind: 'reopened', of: window.monitor, start: window.start, dueAt: before }, outcome);
    }
    const watermark = await db.maintain((tx) => raiseWatermark(tx.db, endpoint, to));
    const pending = await this.#pending(endpoint, monitors, progress);
    while (!signal?.aborted) {
      const item = firstDue([...pending.values()].flatMap((next) => (next ? [next.item] : [])));
      if (!item || item.dueAt > watermark) break;
      const key = keyOf(item.kind, item.of);
      const next = pending.get(key) as Next;
      const outcome = await this.#evaluateItem(next);
      add({ kind: item.kind, of: item.of, start: item.start, dueAt: item.dueAt }, outcome);
      pending.set(key, await this.#next(next.source, item.end));
    }
    return { endpoint, watermark, evaluated: evaluated.slice(0, LISTED_MAX), count: evaluated.length, signals };
  }

  /** What comes next in each stage of each monitor and in each rollout. */
  async #pending(
    endpoint: string,
    monitors: readonly Monitor[],
    progress: ReadonlyMap<string, Progress>,
  ): Promise<Map<string, Next | undefined>> {
    const pending = new Map<string, Next | undefined>();
    for (const monitor of monitors) {
      const at = progress.get(monitor.name);
      if (!at) continue;
      const { windowMs } = at;
      const latenessMs = durationMs(monitor.spec.labelLateness);
      const inputs = { monitor, stage: 'inputs', windowMs, latenessMs: 0 } as const;
      const quality = { monitor, stage: 'quality', windowMs, latenessMs } as const;
      pending.set(keyOf('inputs', monitor.name), await this.#next(inputs, at.inputsUntil));
      pending.set(keyOf('quality', monitor.name), await this.#next(quality, at.qualityUntil));
    }
    const latenessMs = Math.max(0, ...monitors.map(({ spec }) => durationMs(spec.labelLateness)));
    for (const { rollout, blocksUntil } of await rolloutsOf(this.#deps.db.reader, endpoint)) {
      const source = { rollout, endpoint, windowMs: BLOCK_MS, latenessMs };
      pending.set(keyOf('block', rollout), await this.#next(source, blocksUntil));
    }
    return pending;
  }

  /** The next window with predictions; windows without any are passed over. */
  async #next(source: Source, cursor: number): Promise<Next | undefined> {
    const { reader } = this.#deps.db;
    const at =
      'rollout' in source
        ? await firstAtOfRollout(reader, source.rollout, cursor)
        : await firstAt(reader, source.monitor.spec.endpoint, cursor);
    if (at === undefined) return undefined;
    const start = windowStartOf(at, source.windowMs);
    const end = start + source.windowMs;
    const what =
      'rollout' in source
        ? { kind: 'block' as const, of: source.rollout }
        : { kind: source.stage, of: source.monitor.name };
    return { source, cursor, item: { ...what, start, end, dueAt: end + source.latenessMs } };
  }

  async #evaluateItem(next: Next): Promise<Outcome> {
    const { source, cursor, item } = next;
    if ('rollout' in source) return this.#evaluateBlock(source, { cursor, item });
    const { monitor, stage, windowMs } = source;
    const measured = await measureWindow(this.#deps, monitor.spec, { from: item.start, to: item.end, stages: [stage] });
    return this.#deps.db.maintain(async (tx) => {
      const step = { monitor: monitor.name, stage, from: cursor, to: item.end };
      if (!(await moveProgress(tx.db, step))) return { published: 0, signals: [] };
      const where = { ...windowOf(monitor, item.start, windowMs), at: item.dueAt };
      const published =
        (await publishFigures(tx.db, where, measured.figures)) + (await publishDrift(tx.db, where, measured.drift));
      const signals = await decideAlerts(tx, monitor, { stages: [stage], at: item.dueAt });
      const passed = { monitor: monitor.name, endpoint: monitor.spec.endpoint, to: item.dueAt };
      tx.emit(watermarkAdvanced.draft(`monitor/${monitor.name}`, passed));
      return { published, signals };
    });
  }

  async #evaluateBlock(
    { rollout, endpoint }: { readonly rollout: string; readonly endpoint: string },
    { cursor, item }: { readonly cursor: number; readonly item: DueItem },
  ): Promise<Outcome> {
    const rows = await rolloutRows(this.#deps.db.reader, rollout, { from: item.start, to: item.end });
    const compared = blockOf(item.start, rows);
    return this.#deps.db.maintain(async (tx) => {
      const moved = await moveRollout(tx.db, { rollout, from: cursor, to: item.end });
      if (!moved || !compared) return { published: 0, signals: [] };
      await insertBlock(tx.db, { rollout, endpoint, ...compared });
      tx.emit(comparisonBlock.draft(`rollout/${rollout}`, { rollout, endpoint, ...compared }));
      return { published: 1, signals: [] };
    });
  }

  /** Measures a window again that something late belongs to. `undefined` when it was not evaluated before. */
  async #remeasure(
    window: Reopened,
    {
      monitors,
      progress,
      times,
    }: {
      readonly monitors: readonly Monitor[];
      readonly progress: ReadonlyMap<string, Progress>;
      /** The watermark as it stands, at which signals are told, and the one that publishes the figures. */
      readonly times: { readonly before: number; readonly at: number };
    },
  ): Promise<Outcome | undefined> {
    const { db } = this.#deps;
    const monitor = monitors.find(({ name }) => name === window.monitor);
    const at = progress.get(window.monitor);
    if (!monitor || !at) return undefined;
    const stages: Stage[] = [];
    if (window.byPredictions && window.start < at.inputsUntil) stages.push('inputs');
    if (window.start < at.qualityUntil) stages.push('quality');
    if (stages.length === 0) {
      await db.maintain((tx) => closeReopened(tx.db, window));
      return undefined;
    }
    const range = { from: window.start, to: window.start + at.windowMs };
    const measured = await measureWindow(this.#deps, monitor.spec, { ...range, stages });
    return db.maintain(async (tx) => {
      await closeReopened(tx.db, window);
      const where = { ...windowOf(monitor, window.start, at.windowMs), at: times.at };
      const published =
        (await publishFigures(tx.db, where, measured.figures)) + (await publishDrift(tx.db, where, measured.drift));
      return { published, signals: await decideAlerts(tx, monitor, { stages, at: times.before }) };
    });
  }
}

function followsWallClock(monitors: readonly Monitor[]): boolean {
  return monitors.length > 0 && monitors.every(({ spec }) => spec.clock === 'wall');
}

function windowOf(monitor: Monitor, start: number, windowMs: number) {
  return { endpoint: monitor.spec.endpoint, monitor: monitor.name, start, windowMs };
}

function keyOf(kind: DueItem['kind'], of: string): string {
  return `${kind}/${of}`;
}
