import { z } from 'zod';

/** Partitions that a pipeline, a view of them or a backfill has at most. */
export const PARTITIONS_MAX = 10_000;

const dateOnly = z.iso.date();

/** Into which parts a pipeline's work falls: one run does one of them, which a parameter names. */
export const partitionsSpec = z
  .strictObject({
    /** The parameter that gets the name of the partition; a `string` or a `timestamp`. */
    param: z.string().min(1).max(60),
    /** Spans of the calendar, named by their first day in UTC (`2026-01-31`), or hour (`2026-01-31T05:00Z`). */
    every: z.enum(['hour', 'day', 'week', 'month']).optional(),
    /** The first day of which there are partitions. */
    from: dateOnly.optional(),
    /** Or names of your own. */
    values: z.array(z.string().min(1).max(100)).min(1).max(PARTITIONS_MAX).optional(),
  })
  .refine(({ every, values }) => (every === undefined) !== (values === undefined), 'expected either every or values')
  .refine(({ every, from }) => every === undefined || from !== undefined, {
    path: ['from'],
    message: 'is required with every',
  })
  .refine(({ values = [] }) => new Set(values).size === values.length, {
    path: ['values'],
    message: 'expected names that differ',
  });
export type PartitionsSpec = z.output<typeof partitionsSpec>;

/** Spans that begin on or after `from` and before `to`, times such as `${params.at}`, and are over. */
export const partitionSpan = z.strictObject({
  every: z.enum(['hour', 'day', 'week', 'month']),
  from: z.string().min(1).max(200),
  to: z.string().min(1).max(200).optional(),
});
export type PartitionSpan = z.output<typeof partitionSpan>;

/**
 * The names of the partitions that begin on or after `from` and before `to`, both days or times, in order; at most
 * `limit` of them. Partitions of the calendar that are not over at `now` are not there yet.
 */
export function partitionsBetween(
  spec: PartitionsSpec,
  span: { readonly from?: string | undefined; readonly to?: string | undefined; readonly now: number },
  limit: number,
): string[] {
  if (spec.values) return spec.values.slice(0, limit);
  const { every = 'day' } = spec;
  const earliest = startOf(every, Date.parse(spec.from ?? '1970-01-01'));
  const from = span.from === undefined ? earliest : Math.max(earliest, Date.parse(span.from));
  const to = span.to === undefined ? Number.POSITIVE_INFINITY : Date.parse(span.to);
  const found: string[] = [];
  for (
    let at = startOf(every, from);
    at < to && next(every, at) <= span.now && found.length < limit;
    at = next(every, at)
  ) {
    if (at >= from) found.push(nameOf(every, at));
  }
  return found;
}

/** The partition that a value of the parameter names; undefined when it is none. */
export function partitionOf(spec: PartitionsSpec, value: unknown): string | undefined {
  if (spec.values) return spec.values.find((name) => name === value);
  const { every = 'day' } = spec;
  const at = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isFinite(at) && startOf(every, at) === at ? nameOf(every, at) : undefined;
}

type Every = NonNullable<PartitionsSpec['every']>;

function startOf(every: Every, at: number): number {
  const date = new Date(at);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  if (every === 'hour') return Date.UTC(year, month, day, date.getUTCHours());
  if (every === 'month') return Date.UTC(year, month, 1);
  // Weeks begin on Monday, as in ISO 8601.
  return every === 'week' ? Date.UTC(year, month, day - ((date.getUTCDay() + 6) % 7)) : Date.UTC(year, month, day);
}

function next(every: Every, at: number): number {
  const date = new Date(at);
  if (every === 'month') return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
  return at + { hour: 3_600_000, day: 86_400_000, week: 604_800_000 }[every];
}

function nameOf(every: Every, at: number): string {
  const text = new Date(at).toISOString();
  return every === 'hour' ? `${text.slice(0, 16)}Z` : text.slice(0, 10);
}
