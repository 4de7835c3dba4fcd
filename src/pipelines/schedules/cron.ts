/** A cron expression of five fields, taken apart: the values at which each field is met, ascending. */
export interface Cron {
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly months: ReadonlySet<number>;
  readonly daysOfMonth: ReadonlySet<number>;
  /** 0 is Sunday. */
  readonly daysOfWeek: ReadonlySet<number>;
  /** A day is met by either of its two fields when both are restricted, as in cron, else by both. */
  readonly eitherDay: boolean;
  /** Every hour is met, so that its ticks follow real time where clocks are changed. */
  readonly everyHour: boolean;
}

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const FIELDS = [
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 7, names: WEEKDAYS },
] as const satisfies readonly Field[];

const MACROS: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

/** The most days that a month has, 29 for February because of leap years. */
const DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * Reads the five fields of crontab(5): `*`, values, ranges, steps, lists, names of months and weekdays, 7 for Sunday,
 * and `@hourly` to `@yearly`. Throws a `RangeError` that names the field and what it expects, also for a day that no
 * month has.
 */
export function parseCron(text: string): Cron {
  const trimmed = text.trim().toLowerCase();
  const parts = (Object.hasOwn(MACROS, trimmed) ? (MACROS[trimmed] ?? '') : trimmed).split(/\s+/);
  if (parts.length !== FIELDS.length) {
    const expected = 'expected minute, hour, day of month, month and day of week, as in 30 6 * * mon-fri';
    throw new RangeError(`'${text}' has ${parts.length} fields: ${expected}`);
  }
  const [minutes, hours, daysOfMonth, months, weekdays] = FIELDS.map((field, i) => valuesOf(parts[i] ?? '', field)) as [
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  const daysOfWeek = new Set([...weekdays].map((day) => day % 7));
  const isAny = (i: number): boolean => (parts[i] ?? '').startsWith('*');
  const eitherDay = !isAny(2) && !isAny(4);
  if (!eitherDay && ![...months].some((month) => [...daysOfMonth].some((day) => day <= (DAYS[month - 1] ?? 0)))) {
    throw new RangeError(`'${text}' never comes: none of its months has such a day`);
  }
  const ascending = (values: ReadonlySet<number>): number[] => [...values].sort((a, b) => a - b);
  return {
    minutes: ascending(minutes),
    hours: ascending(hours),
    months,
    daysOfMonth,
    daysOfWeek,
    eitherDay,
    everyHour: hours.size === 24,
  };
}

function valuesOf(text: string, field: Field): Set<number> {
  return new Set(text.split(',').flatMap((item) => itemOf(item, field)));
}

function itemOf(item: string, field: Field): number[] {
  const match = /^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:\/(\d{1,2}))?$/.exec(item);
  const [, from = '', to, by] = match ?? [];
  if (!match || (from === '*' && to !== undefined)) throw refused(item, field);
  const first = from === '*' ? field.min : numberOf(from, item, field);
  const open = from === '*' || by !== undefined;
  const last = to !== undefined ? numberOf(to, item, field) : open ? highest(field) : first;
  const step = by === undefined ? 1 : Number(by);
  if (first > last || step < 1) throw refused(item, field);
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step);
}

/** `*` ends at Saturday, although 7 may be written for Sunday. */
function highest(field: Field): number {
  return field.max === 7 ? 6 : field.max;
}

function numberOf(text: string, item: string, field: Field): number {
  const named = field.names?.indexOf(text) ?? -1;
  const value = named >= 0 ? named + field.min : /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= field.min && value <= field.max)) throw refused(item, field);
  return value;
}

function refused(item: string, { name, min, max, names }: Field): RangeError {
  const words = names ? ` or ${names[0]} to ${names.at(-1)}` : '';
  return new RangeError(`${name} '${item}': expected ${min} to ${max}${words}, a range, a step or a list of them`);
}

/** Whether a calendar day is met. `day` is the day's midnight as if it were UTC. */
export function meetsDay(cron: Cron, day: Date): boolean {
  if (!cron.months.has(day.getUTCMonth() + 1)) return false;
  const ofMonth = cron.daysOfMonth.has(day.getUTCDate());
  const ofWeek = cron.daysOfWeek.has(day.getUTCDay());
  return cron.eitherDay ? ofMonth || ofWeek : ofMonth && ofWeek;
}
