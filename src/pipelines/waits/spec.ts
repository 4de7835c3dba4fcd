import { z } from 'zod';
import { durationMs } from '#core/units';
import { duration } from '../durations.ts';
import { pipelineErrors } from '../errors.ts';
import { checkParam, interpolate, type ParamValue } from '../params.ts';
import { type Where, whereSpec } from '../triggers/where.ts';
import { unionWords } from '../union-words.ts';

/** What a step waits for that is no program: a span, a time such as `${params.at}`, or an event of the platform. */
export const waitSpec = z.union(
  [
    z.strictObject({ for: duration }),
    z.strictObject({ until: z.string().min(1).max(200) }),
    /** The next event of this type with such fields is the result of the step. It fails if none comes in time. */
    z.strictObject({
      event: z.string().min(1).max(100),
      where: whereSpec.default({}),
      within: duration.default('14d'),
    }),
  ],
  { error: unionWords(['for', 'until', 'event']) },
);
type WaitSpec = z.output<typeof waitSpec>;

/** A wait with the run's parameters filled in. */
export type ResolvedWait =
  | { readonly forMs: number }
  | { readonly untilMs: number }
  | { readonly event: string; readonly where: Where; readonly withinMs: number };

/** Fails with `pipelines/invalid-params` if the parameters make no time, or no condition, of it. */
export function resolveWait(step: string, wait: WaitSpec, params: Readonly<Record<string, ParamValue>>): ResolvedWait {
  if ('for' in wait) return { forMs: durationMs(wait.for) };
  if ('event' in wait) {
    // As JSON a comparison has the names alone that are given.
    const where = whereSpec.safeParse(interpolate(JSON.parse(JSON.stringify(wait.where)), params));
    if (where.success) return { event: wait.event, where: where.data, withinMs: durationMs(wait.within) };
    const { path, message } = where.error.issues[0] ?? { path: [], message: '' };
    throw pipelineErrors['invalid-params'](`step '${step}' waits for an event: where.${path.join('.')} ${message}`);
  }
  const found = interpolate(wait.until, params);
  const checked = checkParam('timestamp', found);
  if ('value' in checked && typeof checked.value === 'number') return { untilMs: checked.value };
  throw pipelineErrors['invalid-params'](`step '${step}' waits until '${String(found)}': expected a time`);
}

/** When a step that begins to wait `now` has waited long enough. */
export function waitsUntil(wait: ResolvedWait, now: number): number {
  if ('forMs' in wait) return now + wait.forMs;
  return 'untilMs' in wait ? wait.untilMs : now + wait.withinMs;
}

/** Why a step ends whose wait was not ended by anything else, and whether that is what it waited for. */
export function elapsedOf(wait: ResolvedWait): { readonly ok: boolean; readonly reason: string } {
  if (!('event' in wait)) return { ok: true, reason: 'the time has come' };
  return { ok: false, reason: `no such ${wait.event} came within ${Math.round(wait.withinMs / 1_000)} s` };
}
