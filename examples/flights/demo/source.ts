import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type DuckDBResultReader } from '@duckdb/node-api';

/** A departure as the booking system sees it: what a request brings, and what only the landing will tell. */
export interface Departure {
  readonly flight: number;
  /** Epoch milliseconds (UTC). */
  readonly departedAt: number;
  readonly reportedAt: number;
  readonly hour: number;
  readonly minute: number;
  readonly weekday: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
  readonly late: boolean;
  /** A number drawn per flight: samples of one in n are those whose number n divides. */
  readonly sample: number;
}

/** Hubs whose reports the fault of May garbles. */
export const HUBS = ['ORD', 'DFW', 'ATL', 'LAX', 'PHX', 'STL'];

/**
 * The upstream world of the demo: three million real flights (`vega-datasets`, January to June 2001), handed out as an
 * airline would, reports in the order in which they come in. Nothing of this is known to the platform.
 */
export class FlightSource {
  readonly #connection: DuckDBConnection;
  readonly #scratchDir: string;
  readonly #seed: number;
  readonly #reports = new Ahead(this.#reportsOf.bind(this));
  readonly #departures = new Ahead(this.#departuresOf.bind(this));
  #last: Promise<unknown> = Promise.resolve();
  #files = 0;

  private constructor(connection: DuckDBConnection, scratchDir: string, seed: number) {
    this.#connection = connection;
    this.#scratchDir = scratchDir;
    this.#seed = seed;
  }

  static async open(
    dataDir: string,
    options: { readonly scratchDir: string; readonly seed: number },
  ): Promise<FlightSource> {
    // In a file and within limits: the demo shares the memory of one machine with the platform that it plays with. It
    // is loaded with two threads, while the platform starts.
    const path = join(options.scratchDir, 'flights.duckdb');
    const instance = await DuckDBInstance.create(path, { threads: '2', memory_limit: '192MB' });
    const connection = await instance.connect();
    await connection.run(`set timezone = 'UTC'; set preserve_insertion_order = true`);
    await connection.run(LOAD(join(dataDir, 'flights-3m.parquet'), join(dataDir, 'airports.csv')));
    await connection.run(`checkpoint; set threads = 1; set memory_limit = '64MB'`);
    return new FlightSource(connection, options.scratchDir, options.seed);
  }

  async count(): Promise<number> {
    return Number((await this.#query('select count(*) from flights')).getRows()[0]?.[0]);
  }

  /** The reports that come in within `[from, to)`, as a Parquet file. `garbled` sends the hubs' delays in seconds. */
  reports(from: number, to: number, { garbled = false } = {}): Promise<Uint8Array<ArrayBuffer> | undefined> {
    return this.#reports.take(from, to, garbled);
  }

  /** Works out reports that will be asked for next, while their reader has other things to wait for. */
  prepareReports(from: number, to: number): void {
    this.#reports.prepare(from, to, false);
  }

  /** A uniform sample, one in `oneIn`, of the flights that leave within `[from, to)`, in order of departure. */
  departures(from: number, to: number, oneIn: number): Promise<Departure[]> {
    return this.#departures.take(from, to, oneIn);
  }

  prepareDepartures(from: number, to: number, oneIn: number): void {
    this.#departures.prepare(from, to, oneIn);
  }

  async largestAirports(count: number): Promise<string[]> {
    const reader = await this.#query(
      `select origin::varchar from flights group by 1 order by count(*) desc limit ${count}`,
    );
    return reader.getRows().map((row) => String(row[0]));
  }

  async close(): Promise<void> {
    await this.#last;
    this.#connection.closeSync();
  }

  async #reportsOf(from: number, to: number, garbled: boolean): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (from >= to) return undefined;
    const hubs = HUBS.map((hub) => `'${hub}'`).join(', ');
    const delay = garbled ? `if(origin in (${hubs}), delay::int * 60, delay::int)` : 'delay';
    const path = join(this.#scratchDir, `reports-${++this.#files}.parquet`);
    const copied = await this.#query(
      `copy (select flight, date, ${delay} as delay, distance, origin::varchar as origin,
         destination::varchar as destination, zone::varchar as zone from flights
       where reported_ms >= ${from} and reported_ms < ${to}
       order by reported_ms, flight) to '${path}' (format parquet, compression zstd)`,
    );
    const bytes = new Uint8Array(await readFile(path));
    await rm(path);
    return Number(copied.getRows()[0]?.[0]) > 0 ? bytes : undefined;
  }

  async #departuresOf(from: number, to: number, oneIn: number): Promise<Departure[]> {
    const reader = await this.#query(
      `select flight::double as flight, departed_ms, reported_ms, hour(date)::int as hour, minute(date)::int as minute,
         dayofweek(date)::int as weekday, distance::int as distance, origin::varchar as origin,
         destination::varchar as destination, delay > 15 as late,
         (hash(flight + ${this.#seed} * 10000000) % 1000000)::int as sample
       from flights where departed_ms >= ${from} and departed_ms < ${to}
         and hash(flight + ${this.#seed} * 10000000) % 1000000 % ${oneIn} = 0 order by departed_ms, flight`,
    );
    return reader.getRowObjectsJS().map((row) => ({
      flight: Number(row['flight']),
      departedAt: Number(row['departed_ms']),
      reportedAt: Number(row['reported_ms']),
      hour: Number(row['hour']),
      minute: Number(row['minute']),
      weekday: Number(row['weekday']),
      distance: Number(row['distance']),
      origin: String(row['origin']),
      destination: String(row['destination']),
      late: Boolean(row['late']),
      sample: Number(row['sample']),
    }));
  }

  /** One at a time, in the order in which they are asked for: the connection is shared with what is prepared. */
  #query(sql: string): Promise<DuckDBResultReader> {
    const answer = this.#last.then(() => this.#connection.runAndReadAll(sql));
    this.#last = answer.catch(() => {});
    return answer;
  }
}

/** Answers a question, at once if it was the newest that was prepared. */
class Ahead<Question extends readonly unknown[], Answer> {
  readonly #ask: (...question: Question) => Promise<Answer>;
  #prepared: { readonly question: Question; readonly answer: Promise<Answer> } | undefined;

  constructor(ask: (...question: Question) => Promise<Answer>) {
    this.#ask = ask;
  }

  prepare(...question: Question): void {
    if (this.#isPrepared(question)) return;
    const answer = this.#ask(...question);
    // A failure is told to whoever takes the answer, and to nobody when it is not taken.
    answer.catch(() => {});
    this.#prepared = { question, answer };
  }

  take(...question: Question): Promise<Answer> {
    if (!this.#prepared || !this.#isPrepared(question)) return this.#ask(...question);
    const { answer } = this.#prepared;
    this.#prepared = undefined;
    return answer;
  }

  #isPrepared(question: Question): boolean {
    return this.#prepared?.question.every((part, i) => part === question[i]) === true;
  }
}

/** Time zones by state, and the few counties that differ; the rest of a state follows its capital. */
const ZONES = `case
  when iata in ('ELP') then 'America/Denver'
  when iata in ('PNS', 'VPS', 'PFN', 'ECP') then 'America/Chicago'
  when iata in ('TYS', 'TRI', 'CHA') then 'America/New_York'
  when iata in ('EVV') then 'America/Chicago'
  when state in ('AZ') then 'America/Phoenix'
  when state in ('IN') then 'America/Indiana/Indianapolis'
  when state in ('HI') then 'Pacific/Honolulu'
  when state in ('AK') then 'America/Anchorage'
  when state in ('PR', 'VI') then 'America/Puerto_Rico'
  when state in ('GU') then 'Pacific/Guam'
  when state in ('CA', 'WA', 'OR', 'NV') then 'America/Los_Angeles'
  when state in ('MT', 'ID', 'WY', 'UT', 'CO', 'NM') then 'America/Denver'
  when state in ('ND', 'SD', 'NE', 'KS', 'OK', 'TX', 'MN', 'IA', 'MO', 'AR', 'LA', 'WI', 'IL', 'MS', 'AL', 'TN')
    then 'America/Chicago'
  else 'America/New_York' end`;

/**
 * Loads the file as it is and works out, for the order of the feed only, when each report came in. `date` keeps its
 * defects: they are for the platform to find. Offsets from UTC are looked up by zone and hour, because zones change
 * theirs at full hours and a conversion of each of three million departures would take seconds.
 */
const LOAD = (flights: string, airports: string): string => `
  create type zone as enum (select distinct ${ZONES} from read_csv('${airports}'));
  create type airport as enum (select distinct iata from read_csv('${airports}'));
  create table flights as
  with places as (
    select iata, ${ZONES} as zone from read_csv('${airports}')
  ), days as (
    select date_trunc('day', min(date)) as first, max(date) + interval 2 day as last from read_parquet('${flights}')
  ), hours as (
    select zone, hour, hour - timezone('UTC', timezone(zone, hour)) as ahead
    from (select distinct zone from places),
      (select unnest(generate_series(first, last, interval 1 hour)) as hour from days)
  ), numbered as (
    select row_number() over () as flight, date, delay, distance, origin, destination
    from read_parquet('${flights}')
  ), departed as (
    select n.*, p.zone, date +
      if(hour(date) < 5 and hour(date) * 60 + minute(date) between 1 and delay, interval 1 day, interval 0 day)
      as departed
    from numbered n join places p on p.iata = n.origin
  )
  select flight::int as flight, date, delay::smallint as delay, distance::smallint as distance,
    origin::airport as origin, destination::airport as destination, d.zone::zone as zone,
    epoch_ms(departed - ahead)::bigint as departed_ms,
    epoch_ms(departed - ahead)::bigint + 60000 * cast(round(45 + distance / 7.75) as bigint) as reported_ms
  from departed d join hours h on h.zone = d.zone and h.hour = date_trunc('hour', departed)`;
