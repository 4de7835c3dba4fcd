import { checkLength, type EventColumns, type KeyColumn, type QueryColumns } from './columns.ts';
import { windowErrors } from './errors.ts';

/** One entity number per row, in `[0, count)`, or -1 for rows without an entity that the other side could share. */
export interface Entities {
  readonly count: number;
  readonly events: Int32Array;
  readonly queries: Int32Array;
}

interface CodePair {
  readonly events: Int32Array;
  readonly queries: Int32Array;
  readonly cardinality: number;
}

const CARDINALITY_MAX = 1 << 27;
/** Below this many combinations a direct table costs less than hashing. */
const DIRECT_COMBINATIONS_MIN = 1 << 16;

/**
 * Numbers the entities that `keys` form. Several keys are combined one after the other as mixed-radix numbers; where
 * the combinations far outnumber the rows, those that occur among the events are renumbered densely through a hash
 * table, so that memory follows the rows and not the product of the cardinalities.
 */
export function entitiesOf(keys: readonly string[], events: EventColumns, queries: QueryColumns): Entities {
  let combined = codesOf(keys[0]!, events, queries);
  for (const key of keys.slice(1)) combined = combine(combined, codesOf(key, events, queries));
  return { count: combined.cardinality, events: combined.events, queries: combined.queries };
}

function codesOf(key: string, events: EventColumns, queries: QueryColumns): CodePair {
  const ofEvents = keyColumn(`events.keys.${key}`, events.keys, key);
  const ofQueries = keyColumn(`queries.keys.${key}`, queries.keys, key);
  checkLength(`events.keys.${key}`, ofEvents.codes.length, events.eventMs.length);
  checkLength(`queries.keys.${key}`, ofQueries.codes.length, queries.atMs.length);
  const cardinality = Math.max(ofEvents.cardinality, ofQueries.cardinality);
  return { events: ofEvents.codes, queries: ofQueries.codes, cardinality };
}

function keyColumn(field: string, columns: Readonly<Record<string, KeyColumn>>, key: string): KeyColumn {
  const column = Object.hasOwn(columns, key) ? columns[key] : undefined;
  if (!column) throw windowErrors['window-input-invalid'](`${field}: the column is missing`);
  const { codes, cardinality } = column;
  if (!Number.isInteger(cardinality) || cardinality < 0 || cardinality > CARDINALITY_MAX) {
    throw windowErrors['window-input-invalid'](
      `${field}: a cardinality from 0 to ${CARDINALITY_MAX}, got ${cardinality}`,
    );
  }
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row]!;
    if (code >= -1 && code < cardinality) continue;
    throw windowErrors['window-input-invalid'](
      `${field}: codes from -1 to ${cardinality - 1}, got ${code} in row ${row}`,
    );
  }
  return column;
}

function combine(a: CodePair, b: CodePair): CodePair {
  const combinations = a.cardinality * b.cardinality;
  const rows = a.events.length + a.queries.length;
  if (combinations <= Math.max(DIRECT_COMBINATIONS_MIN, 2 * rows) && combinations <= CARDINALITY_MAX) {
    const direct = (left: Int32Array, right: Int32Array): Int32Array => {
      const codes = new Int32Array(left.length);
      for (let row = 0; row < codes.length; row++) {
        const l = left[row]!;
        const r = right[row]!;
        codes[row] = l < 0 || r < 0 ? -1 : l * b.cardinality + r;
      }
      return codes;
    };
    return { events: direct(a.events, b.events), queries: direct(a.queries, b.queries), cardinality: combinations };
  }
  return hashed(a, b);
}

/** The mixed-radix number of two codes may exceed 2^53, so a slot of the table keeps both codes instead. */
function hashed(a: CodePair, b: CodePair): CodePair {
  const rows = a.events.length;
  const slots = 2 ** Math.ceil(Math.log2(Math.max(2, rows) * 2));
  const mask = slots - 1;
  const numbers = new Int32Array(slots).fill(-1);
  const lefts = new Int32Array(slots);
  const rights = new Int32Array(slots);
  const slotOf = (left: number, right: number): number => {
    let slot = Math.imul(Math.imul(left, 0x9e3779b1) ^ (right + (left >>> 15)), 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & mask;
    while (numbers[slot]! >= 0 && (lefts[slot] !== left || rights[slot] !== right)) slot = (slot + 1) & mask;
    return slot;
  };
  let count = 0;
  const events = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const left = a.events[row]!;
    const right = b.events[row]!;
    if (left < 0 || right < 0) {
      events[row] = -1;
      continue;
    }
    const slot = slotOf(left, right);
    if (numbers[slot]! < 0) {
      numbers[slot] = count++;
      lefts[slot] = left;
      rights[slot] = right;
    }
    events[row] = numbers[slot]!;
  }
  const queries = new Int32Array(a.queries.length);
  for (let row = 0; row < queries.length; row++) {
    const left = a.queries[row]!;
    const right = b.queries[row]!;
    queries[row] = left < 0 || right < 0 ? -1 : numbers[slotOf(left, right)]!;
  }
  return { events, queries, cardinality: count };
}
