import type { Json } from '#core/json';
import { type PartitionSpan, partitionsBetween } from './backfills/partitions.ts';
import { valueAt } from './conditions.ts';
import { checkParam, interpolate, type ParamValue } from './params.ts';
import type { StepSpec } from './spec.ts';

/** Runs of a pipeline that are units of one step and go on at a time, unless the step says otherwise. */
export const NESTED_AT_ONCE = 20;
/** Units that a step is divided into, at most. */
export const UNITS_MAX = 10_000;

export type MapSpec = NonNullable<StepSpec['map']>;

/** The name of a unit: that of its step and its place in the list. No step has a colon in its name. */
export function unitName(step: string, index: number): string {
  return `${step}:${index}`;
}

/** The step of a unit; undefined for the name of a step. */
export function stepOfUnit(name: string): string | undefined {
  const colon = name.indexOf(':');
  return colon < 0 ? undefined : name.slice(0, colon);
}

/** The items of a map with the run's parameters filled in; what comes from a result is known when that step is done. */
export type ResolvedMap =
  | { readonly items: readonly Json[] }
  | { readonly count: number }
  | { readonly result: readonly [step: string, ...path: string[]] };

/** Throws a `RangeError` that says what was expected. */
export function resolveMap(
  map: MapSpec,
  { params, now }: { readonly params: Readonly<Record<string, ParamValue>>; readonly now: number },
): ResolvedMap {
  if ('items' in map) return { items: map.items.map((item) => interpolate(item, params)) };
  if ('count' in map) return { count: checkedCount(interpolate(map.count, params)) };
  if ('partitions' in map) return { items: partitionsOf(map.partitions, { params, now }) };
  const [step = '', ...path] = map.result.split('.');
  return { result: [step, ...path] };
}

/** What the units of a step are about. `result` is that of the step which a map names. */
export function itemsOf(map: ResolvedMap, result: Json | undefined): readonly Json[] {
  if ('items' in map) return map.items;
  if ('count' in map) return Array.from({ length: map.count }, (_, i) => i);
  const found = valueAt(result, map.result.slice(1));
  if (!Array.isArray(found)) throw new RangeError(`the result ${map.result.join('.')} is no list`);
  if (found.length > UNITS_MAX)
    throw new RangeError(`${map.result.join('.')} has ${found.length} items, at most ${UNITS_MAX}`);
  return found as readonly Json[];
}

/** The names of the partitions of a span that are over. */
function partitionsOf(
  { every, ...span }: PartitionSpan,
  { params, now }: { readonly params: Readonly<Record<string, ParamValue>>; readonly now: number },
): readonly string[] {
  const dayOf = (name: 'from' | 'to'): string | undefined => {
    if (span[name] === undefined) return undefined;
    const found = interpolate(span[name], params);
    const checked = checkParam('timestamp', found);
    if ('value' in checked) return new Date(Number(checked.value)).toISOString();
    throw new RangeError(`map.partitions.${name} is ${JSON.stringify(found)}: expected ${checked.expected}`);
  };
  const [from = '', to] = [dayOf('from'), dayOf('to')];
  const found = partitionsBetween({ param: '', every, from }, { from, to, now }, UNITS_MAX + 1);
  if (found.length <= UNITS_MAX) return found;
  throw new RangeError(`map.partitions: there are more than ${UNITS_MAX} from ${from} on`);
}

function checkedCount(count: Json): number {
  if (typeof count === 'number' && Number.isInteger(count) && count >= 0 && count <= UNITS_MAX) return count;
  throw new RangeError(`map.count is ${JSON.stringify(count)}: expected 0 to ${UNITS_MAX}`);
}

/** The parameters of a unit that is a run of a pipeline: those that the step gives, and no others. */
export function nestedParams(
  params: Readonly<Record<string, Json>>,
  item: Json,
  index: number,
): Readonly<Record<string, Json>> {
  const filled = unitParams(params, item, index);
  return Object.fromEntries(Object.keys(params).map((name) => [name, filled[name] ?? null]));
}

/**
 * The parameters of a unit: `${item}`, `${item.<path>}` and `${index}` filled in, a lone reference as the value itself.
 * Without a parameter of that name, `item` is one.
 */
export function unitParams(
  params: Readonly<Record<string, Json>>,
  item: Json,
  index: number,
): Readonly<Record<string, Json>> {
  const read = (name: string, path: string | undefined): Json =>
    name === 'index' ? index : (valueAt(item, path === undefined ? [] : path.slice(1).split('.')) ?? null);
  const fill = (value: Json): Json => {
    if (typeof value === 'string') {
      const whole = /^\$\{(item|index)(\.[A-Za-z0-9_.-]+)?\}$/.exec(value);
      if (whole) return read(whole[1] ?? '', whole[2]);
      return value.replaceAll(/\$\{(item|index)(\.[A-Za-z0-9_.-]+)?\}/g, (_, name: string, path?: string) => {
        const found = read(name, path);
        return typeof found === 'string' ? found : JSON.stringify(found);
      });
    }
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map((one: Json) => fill(one));
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one)]));
  };
  return { item, ...(fill({ ...params }) as Readonly<Record<string, Json>>) };
}
