/**
 * How often the rollout test "decides" between two equally good models on real requests:
 *
 *     node bench/rollout/flights-weeks.ts [--pairs 10] [--one-in 4] [--margin 0] [--json]
 *
 * Two models of a pair are trained on disjoint halves of the flights of January 2001 and score the same flights of the
 * 21 weeks from 5 February. Each week is one rollout, looked at after each hour (after each request for "requests").
 *
 * "as they are": no two finite models are exactly equal, and which of them the weather of a week favours is a fact, so
 * not every decision is a false one. "equal": in each day a coin decides which model is called the candidate. Then
 * neither is better, whatever the weather, and hours and requests of one day go on belonging together: every decision
 * is false.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { seededRandom } from '#core/random';
import { type GbdtModel, predictGbdt, type Table, trainGbdt } from '#learn/gbdt';
import { addBlock, type BlockPlan, decide, startBlockSequence } from '#math/test/block-sequence';
import { confidenceSequence } from '#math/test/confidence-sequence';

const { values: options } = parseArgs({
  options: {
    pairs: { type: 'string', default: '10' },
    'one-in': { type: 'string', default: '4' },
    margin: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
});

const FLIGHTS = fileURLToPath(new URL('../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url));
const MARGIN = Number(options.margin);
const WEEKS = 21;
const WEEK_HOURS = 168;
const FIRST_HOUR = Date.UTC(2001, 1, 5) / 3_600_000;
const COIN_DRAWS = 20;
const TRAIN_ROWS = 200_000;
/** The first requests only teach the variance, as the first hours do of blocks. */
const BURN_IN_REQUESTS = 500;

interface Flights {
  readonly table: Table;
  readonly label: Float32Array;
  /** Hour of the scheduled departure since the epoch, ascending. */
  readonly hour: Float64Array;
}

async function readFlights(): Promise<(where: string) => Promise<Flights>> {
  const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  await connection.run(`create table flights as
    select *, row_number() over () as id from read_parquet('${FLIGHTS}') where abs(delay) <= 720`);
  await connection.run('create table airports as select distinct origin as iata from flights order by 1');
  const airports = (await connection.runAndReadAll('from airports order by 1')).getRows().map(([iata]) => String(iata));
  const codes = new Map(airports.map((iata, code) => [iata, code]));
  return async (where) => {
    const reader = await connection.runAndReadAll(
      `select hour(date)::float, minute(date)::float, dayofweek(date)::float, distance::float, origin, destination,
         (delay > 15)::float, floor(epoch(date) / 3600)::double
       from flights where ${where} order by date, id`,
    );
    const columns = reader.getColumns();
    const numeric = (name: string, index: number) =>
      ({ name, kind: 'numeric', values: Float32Array.from(columns[index] as number[]) }) as const;
    const category = (name: string, index: number) => {
      const values = Int32Array.from(columns[index] as string[], (iata) => codes.get(iata) ?? -1);
      return { name, kind: 'category', codes: values, categories: airports } as const;
    };
    const schedule = ['hour', 'minute', 'weekday', 'distance'].map(numeric);
    return {
      table: {
        rows: reader.currentRowCount,
        columns: [...schedule, category('origin', 4), category('destination', 5)],
      },
      label: Float32Array.from(columns[6] as number[]),
      hour: Float64Array.from(columns[7] as number[]),
    };
  };
}

function lossesOf(model: GbdtModel, { table, label }: Flights): Float64Array {
  const scores = predictGbdt(model, table);
  return scores.map((score, row) => -Math.log(label[row] === 1 ? score : 1 - score));
}

/** Whether a week of hourly blocks ends in a decision, looked at after each. */
function decidesByHour(difference: Float64Array, hour: Float64Array, plan: Partial<BlockPlan>): boolean {
  let state = startBlockSequence(plan);
  for (let from = 0; from < hour.length; ) {
    let [to, sum] = [from, 0];
    while (to < hour.length && hour[to] === hour[from]) sum += difference[to++] as number;
    state = addBlock(state, { requests: to - from, differenceSum: sum });
    const { interval } = decide(state);
    if (interval && (interval.low > MARGIN || interval.high < -MARGIN)) return true;
    from = to;
  }
  return false;
}

/** The same with every request taken as independent of the others, which it is not. */
function decidesByRequest(difference: Float64Array): boolean {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < difference.length; i++) {
    sum += difference[i] as number;
    squares += (difference[i] as number) ** 2;
    const count = i + 1;
    if (count < BURN_IN_REQUESTS) continue;
    const value = sum / count;
    const { low, high } = confidenceSequence({ value, variance: (squares / count - value ** 2) / count, count });
    if (low > MARGIN || high < -MARGIN) return true;
  }
  return false;
}

const read = await readFlights();
const oneIn = Number(options['one-in']);
const scored = await read(`date >= '2001-02-05' and date < '2001-07-02' and hash(id) % ${oneIn} = 0`);
const weeks = Array.from({ length: WEEKS }, (_, week) => {
  const inWeek = (hour: number): boolean => Math.floor((hour - FIRST_HOUR) / WEEK_HOURS) === week;
  return [scored.hour.findIndex(inWeek), scored.hour.findLastIndex(inWeek) + 1] as const;
});
const RULES = ['requests', 'hours, martingale', 'hours, autoregressive'] as const;
type Counts = Record<(typeof RULES)[number], number>;

function count(counts: Counts, difference: Float64Array, hour: Float64Array): void {
  if (decidesByRequest(difference)) counts.requests++;
  if (decidesByHour(difference, hour, { dependence: 'martingale' })) counts['hours, martingale']++;
  if (decidesByHour(difference, hour, { dependence: 'autoregressive' })) counts['hours, autoregressive']++;
}

async function trainOn(pair: number, side: number): Promise<GbdtModel> {
  const { table, label } = await read(`id in (select id from flights
    where date < '2001-02-01' and hash(id + ${pair} * 10000000) % 2 = ${side} order by hash(id) limit ${TRAIN_ROWS})`);
  return trainGbdt({ train: table, label, params: { trees: 60, leaves: 31, learningRate: 0.1 } });
}

const random = seededRandom(20010205);
const zero = (): Counts => ({ requests: 0, 'hours, martingale': 0, 'hours, autoregressive': 0 });
const [asTheyAre, equal] = [zero(), zero()];
const pairs = Number(options.pairs);
const percent = (counts: Counts, weeks: number): string =>
  RULES.map((rule) => `${rule} ${((100 * counts[rule]) / weeks).toFixed(1)} %`).join(', ');
for (let pair = 0; pair < pairs; pair++) {
  const left = lossesOf(await trainOn(pair, 0), scored);
  const right = lossesOf(await trainOn(pair, 1), scored);
  for (const [from, to] of weeks) {
    const difference = left.subarray(from, to).map((loss, row) => loss - (right[from + row] as number));
    const hour = scored.hour.slice(from, to);
    count(asTheyAre, difference, hour);
    for (let draw = 0; draw < COIN_DRAWS; draw++) {
      const signs = Array.from({ length: 8 }, () => (random.next() < 0.5 ? -1 : 1));
      const firstDay = Math.floor((hour[0] as number) / 24);
      const day = (row: number): number => Math.floor((hour[row] as number) / 24) - firstDay;
      const swapped = difference.map((value, row) => value * (signs[day(row)] as number));
      count(equal, swapped, hour);
    }
  }
  if (options.json) continue;
  const done = (pair + 1) * WEEKS;
  console.log(`${done} weeks as they are: ${percent(asTheyAre, done)}`);
  console.log(`${done * COIN_DRAWS} weeks equal: ${percent(equal, done * COIN_DRAWS)}`);
}
if (options.json) {
  const weeks = { asTheyAre: pairs * WEEKS, equal: pairs * WEEKS * COIN_DRAWS };
  console.log(JSON.stringify({ bench: 'rollout/flights-weeks', oneIn, margin: MARGIN, weeks, asTheyAre, equal }));
}
