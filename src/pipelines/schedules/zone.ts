const HOUR_MS = 3_600_000;
const CACHE_MAX = 4_096;

const formatters = new Map<string, Intl.DateTimeFormat>();
const offsets = new Map<string, number>();

/** Whether the running ICU knows the zone. Offsets such as `+02:00` are no zones: they know no daylight saving. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Local wall-clock time minus UTC in milliseconds, at an instant. */
export function offsetAt(zone: string, instant: number): number {
  const key = `${zone} ${instant}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  const parts = formatterOf(zone).formatToParts(instant);
  const read = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const seconds = Math.floor(instant / 1_000) * 1_000;
  const local = Date.UTC(read('year'), read('month') - 1, read('day'), read('hour'), read('minute'), read('second'));
  if (offsets.size >= CACHE_MAX) offsets.clear();
  offsets.set(key, local - seconds);
  return local - seconds;
}

/** A stretch of time, from `from` up to `to`, in which a zone keeps its offset. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly offset: number;
}

/**
 * The stretches of constant offset between two instants, which together cover it. Offsets are looked at hourly and a
 * change is searched to the second: a zone that changed to and fro within one hour would go unseen.
 */
export function stretches(zone: string, from: number, to: number): Stretch[] {
  const found: Stretch[] = [];
  let begin = from;
  let offset = offsetAt(zone, from);
  for (let at = from; at < to; ) {
    const next = Math.min(to, (Math.floor(at / HOUR_MS) + 1) * HOUR_MS);
    const after = offsetAt(zone, next);
    const change = after === offset ? to : changeBetween(zone, at, next);
    if (change < to) {
      found.push({ from: begin, to: change, offset });
      [begin, offset] = [change, after];
    }
    at = next;
  }
  return [...found, { from: begin, to, offset }];
}

/** The first whole second after `low` at which the offset of `high` holds. */
function changeBetween(zone: string, low: number, high: number): number {
  const target = offsetAt(zone, high);
  let [before, after] = [Math.floor(low / 1_000), Math.ceil(high / 1_000)];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(zone, middle * 1_000) === target) after = middle;
    else before = middle;
  }
  return after * 1_000;
}

function formatterOf(zone: string): Intl.DateTimeFormat {
  const known = formatters.get(zone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
  });
  formatters.set(zone, made);
  return made;
}
