import type { Cause } from '#core/cause';
import { sleep } from '#core/clock';
import { KedgeError } from '#core/errors';
import type { Page } from '#platform/contract';
import type { Context, Tx } from '#platform/db';
import type { DomainDeps, Job } from '#platform/domain';
import { pipelineErrors } from '../errors.ts';
import { calendarOf } from './calendar.ts';
import type { CalendarDay, CalendarQuery, ScheduleView, TickView } from './contract.ts';
import { parseCron } from './cron.ts';
import { scheduleHeld } from './events.ts';
import { COUNT_MAX, type DueTick, decideTicks, freezeOf, type NamedFreeze, tickParams } from './model.ts';
import type { FreezeSpec } from './spec.ts';
import {
  activeRunOf,
  dueSchedules,
  findSchedule,
  findTick,
  insertTick,
  listSchedulesWithLast,
  listTicks,
  nextTickWithin,
  removeTicks,
  type StoredSchedule,
  saveSchedule,
} from './store.ts';
import { ticksAfter } from './ticks.ts';
import { offsetAt } from './zone.ts';

/**
 * How often it is asked what is due, which costs one indexed query and wakes the process. In between it wakes at the
 * moment at which a tick is due, so only the tick of a schedule that is as new as this is decided as late as this.
 */
const LOOK_EVERY_MS = 1_000;
/** Schedules that one query finds due. */
const DUE_MAX = 200;
/** Schedules that are decided in one transaction. Other writers wait for as long as it takes. */
const TOGETHER_MAX = 20;
/** How long it is remembered what became of a tick. */
const TICKS_KEPT_MS = 90 * 86_400_000;
const SYSTEM: Context = { actor: { id: 'system:schedules', roles: ['system'] }, action: 'schedule.tick' };

export const scheduleSubject = (name: string): string => `schedule/${name}`;

interface ScheduleDeps extends DomainDeps {
  startRunIn(
    tx: Tx,
    request: {
      readonly pipeline: string;
      readonly params: Readonly<Record<string, unknown>>;
      readonly cause: Cause;
      readonly key: string;
    },
  ): Promise<{ readonly run: string }>;
}

type Outcome = Pick<TickView, 'outcome' | 'run' | 'reason'>;

/** Starts runs at the ticks of schedules: one for each tick, whoever else looks at the clock at the same time. */
export class Schedules {
  readonly #deps: ScheduleDeps;

  constructor(deps: ScheduleDeps) {
    this.#deps = deps;
  }

  job(): Job {
    return {
      name: 'pipelines/schedules',
      everyMs: LOOK_EVERY_MS,
      run: async (signal) => {
        const { clock } = this.#deps.system;
        const until = clock.monotonic() + LOOK_EVERY_MS;
        do {
          while (!signal.aborted && (await this.look()) > 0) {
            // What is left of a batch, and what became due meanwhile.
          }
          const leftMs = until - clock.monotonic();
          const inMs = await nextTickWithin(this.#deps.db.reader, clock.now(), leftMs);
          if (inMs === undefined) return;
          await sleep(clock, inMs, signal);
        } while (!signal.aborted);
      },
    };
  }

  /** Decides what is due. Returns how many schedules that were. */
  async look(): Promise<number> {
    const { db, system, logger } = this.#deps;
    const due = await dueSchedules(db.reader, system.clock.now(), DUE_MAX);
    for (let from = 0; from < due.length; from += TOGETHER_MAX) {
      const names = due.slice(from, from + TOGETHER_MAX);
      // A failure would take back what was decided of the others, so then each is decided by itself.
      const held = await this.#ticks(names).catch(async () => {
        const each: TickView[] = [];
        for (const name of names) each.push(...(await this.#ticks([name])));
        return each;
      });
      for (const { schedule, at, outcome, reason } of held) logger.warn({ schedule, at, outcome }, `${reason}`);
    }
    return due.length;
  }

  /** Decides schedules in one transaction, which costs more than what it does for one. Returns what was held. */
  #ticks(names: readonly string[]): Promise<TickView[]> {
    return this.#deps.db.react(SYSTEM, async (tx) => {
      const held: TickView[] = [];
      for (const name of names) held.push(...(await this.#tick(tx, name)));
      return held;
    });
  }

  async list(filter: {
    readonly pipeline?: string | undefined;
    readonly after?: string | undefined;
    readonly limit: number;
  }): Promise<Page<ScheduleView> & { items: ScheduleView[] }> {
    const found = await listSchedulesWithLast(this.#deps.db.reader, { ...filter, limit: filter.limit + 1 });
    const items = found.slice(0, filter.limit).map(({ schedule, last }) => viewOf(schedule, last));
    return found.length > filter.limit ? { items, next: items.at(-1)?.schedule } : { items };
  }

  async get(name: string): Promise<ScheduleView> {
    const { reader } = this.#deps.db;
    const schedule = await requireSchedule(reader, name);
    const [last = null] = await listTicks(reader, { schedule: name, limit: 1 });
    return viewOf(schedule, last);
  }

  /** The next ticks with their local time, as if the schedule were not paused. */
  async next(name: string, count: number) {
    const { spec } = await requireSchedule(this.#deps.db.reader, name);
    const ticks = ticksAfter(parseCron(spec.cron), spec.timeZone, this.#deps.system.clock.now(), count);
    return { timeZone: spec.timeZone, items: ticks.map((at) => ({ at, ...localOf(spec.timeZone, at) })) };
  }

  async ticks(
    name: string,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<TickView> & { items: TickView[] }> {
    const { reader } = this.#deps.db;
    await requireSchedule(reader, name);
    const before = page.after === undefined ? undefined : Number(page.after) || 0;
    const found = await listTicks(reader, { schedule: name, before, limit: page.limit + 1 });
    const items = found.slice(0, page.limit);
    return found.length > page.limit ? { items, next: String(items.at(-1)?.at) } : { items };
  }

  /** The ticks of schedules by local day, see {@link calendarOf}. */
  async calendar(query: CalendarQuery): Promise<Page<CalendarDay> & { items: CalendarDay[] }> {
    const { db, resources } = this.#deps;
    const { schedule: name, after, limit } = query;
    const schedules =
      name === undefined
        ? (await listSchedulesWithLast(db.reader, { after, limit: limit + 1 })).map(({ schedule }) => schedule)
        : [await requireSchedule(db.reader, name)];
    const freezes = (await resources.list('freeze')).map(namedFreeze);
    return calendarOf(schedules, query, { db, freezes });
  }

  async pause(context: Context, name: string, reason: string | undefined): Promise<ScheduleView> {
    await this.#deps.db.transact(context, async (tx) => {
      const schedule = await requireSchedule(tx.db, name);
      const pausedBy = context.actor.id;
      await saveSchedule(tx.db, { ...schedule, pausedAt: tx.now, pausedBy, pauseReason: reason ?? null });
      tx.audit(scheduleSubject(name), { reason: reason ?? null });
    });
    return this.get(name);
  }

  async resume(context: Context, name: string, catchUp: boolean): Promise<ScheduleView> {
    await this.#deps.db.transact(context, async (tx) => {
      const schedule = await requireSchedule(tx.db, name);
      const cursorAt = catchUp ? schedule.cursorAt : tx.now;
      const nextAt = ticksAfter(parseCron(schedule.spec.cron), schedule.spec.timeZone, cursorAt, 1)[0] ?? null;
      const running = { pausedAt: null, pausedBy: null, pauseReason: null };
      await saveSchedule(tx.db, { ...schedule, ...running, cursorAt, nextAt });
      tx.audit(scheduleSubject(name), { catchUp });
    });
    return this.get(name);
  }

  /** Everything that a look means for one schedule, in the transaction of the cursor. Returns what was held. */
  async #tick(tx: Tx, name: string): Promise<TickView[]> {
    const schedule = await findSchedule(tx.db, name);
    if (!schedule || schedule.pausedAt !== null) return [];
    const decision = decideTicks(schedule.spec, schedule, tx.now);
    const told: TickView[] = [];
    if (decision.missed) {
      const { at, count } = decision.missed;
      const many =
        count >= COUNT_MAX ? `${COUNT_MAX} ticks or more were` : count > 1 ? `${count} ticks were` : 'it was';
      const reason = `${many} missed: nothing looked at the clock, and the catch-up policy leaves them out`;
      told.push(...(await this.#settle(tx, { name, at }, { outcome: 'missed', run: null, reason })));
    }
    for (const tick of decision.due) {
      if (await findTick(tx.db, name, tick.at)) continue;
      told.push(...(await this.#settle(tx, { name, at: tick.at }, await this.#start(tx, schedule, tick))));
    }
    await saveSchedule(tx.db, { ...schedule, cursorAt: decision.cursorAt, nextAt: decision.nextAt });
    await removeTicks(tx.db, name, decision.cursorAt - TICKS_KEPT_MS);
    return told.filter(({ outcome }) => outcome !== 'started');
  }

  async #settle(
    tx: Tx,
    { name, at }: { readonly name: string; readonly at: number },
    outcome: Outcome,
  ): Promise<TickView[]> {
    if (await findTick(tx.db, name, at)) return [];
    const tick = { schedule: name, at, ...outcome, decidedAt: tx.now };
    await insertTick(tx.db, tick);
    if (outcome.outcome === 'started') return [tick];
    const told = { at, outcome: outcome.outcome, reason: outcome.reason ?? '' };
    tx.emit(scheduleHeld.draft(scheduleSubject(name), { schedule: name, ...told }));
    tx.audit(scheduleSubject(name), told);
    return [tick];
  }

  async #start(tx: Tx, { name, spec }: StoredSchedule, tick: DueTick): Promise<Outcome> {
    const frozen = freezeOf(await freezesIn(this.#deps, tx), spec.pipeline, tx.now);
    if (frozen) {
      return { outcome: 'frozen', run: null, reason: `freeze '${frozen.name}': ${frozen.spec.reason}` };
    }
    const active = spec.overlap === 'skip' ? await activeRunOf(tx.db, name) : undefined;
    if (active) return { outcome: 'overlapped', run: null, reason: `run ${active} has not ended` };
    try {
      const { run } = await this.#deps.startRunIn(tx, {
        pipeline: spec.pipeline,
        params: tickParams(spec, tick),
        cause: { kind: 'schedule', id: scheduleSubject(name), depth: 1, at: tick.at },
        key: `${scheduleSubject(name)}/${tick.at}`,
      });
      return { outcome: 'started', run, reason: null };
    } catch (error) {
      if (!(error instanceof KedgeError)) throw error;
      return { outcome: 'failed', run: null, reason: error.message };
    }
  }
}

function viewOf({ name, spec, ...state }: StoredSchedule, last: TickView | null): ScheduleView {
  const { pausedAt, pausedBy, pauseReason } = state;
  const nextAt = pausedAt === null ? state.nextAt : null;
  return { schedule: name, ...spec, nextAt, pausedAt, pausedBy, pauseReason, last };
}

/** All freezes, as the transaction sees them. */
export async function freezesIn({ resources }: Pick<DomainDeps, 'resources'>, tx: Tx): Promise<NamedFreeze[]> {
  return (await resources.list('freeze', tx.db)).map(namedFreeze);
}

function namedFreeze({ name, spec }: { readonly name: string; readonly spec: unknown }): NamedFreeze {
  return { name, spec: spec as FreezeSpec };
}

async function requireSchedule(db: Tx['db'] | DomainDeps['db']['reader'], name: string): Promise<StoredSchedule> {
  const found = await findSchedule(db, name);
  if (!found) throw pipelineErrors['schedule-not-found'](`there is no schedule '${name}': declare it with kedge apply`);
  return found;
}

/** The wall clock at an instant, `2026-03-29 03:00`, and how far it is from UTC, `+02:00`. */
function localOf(zone: string, at: number): { readonly local: string; readonly offset: string } {
  const offsetMs = offsetAt(zone, at);
  const minutes = Math.round(Math.abs(offsetMs) / 60_000);
  const two = (value: number): string => String(value).padStart(2, '0');
  return {
    local: new Date(at + offsetMs).toISOString().slice(0, 16).replace('T', ' '),
    offset: `${offsetMs < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`,
  };
}
