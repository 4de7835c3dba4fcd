import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

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

  private constructor(connection: DuckDBConnection, scratchDir: string, seed: number) {
    this.#connection = connection;
    this.#scratchDir = scratchDir;
    this.#seed = seed;
  }

  static async open(
    dataDir: string,
    options: { readonly scratchDir: string; readonly seed: number },
  ): Promise<FlightSource> {
    // In a file and within limits: the demo shares the memory of one machine with the platform that it plays with.
    const path = join(options.scratchDir, 'flights.duckdb');
    const instance = await DuckDBInstance.create(path, { threads: '1', memory_limit: '192MB' });
    const connection = await instance.connect();
    await connection.run(`set timezone = 'UTC'; set preserve_insertion_order = true`);
    await connection.run(LOAD(join(dataDir, 'flights-3m.parquet'), join(dataDir, 'airports.csv')));
    await connection.run(`checkpoint; set memory_limit = '64MB'`);
    return new FlightSource(connection, options.scratchDir, options.seed);
  }

  async count(): Promise<number> {
    return Number(await this.#scalar('select count(*) from flights'));
  }

  /** The reports that come in within `[from, to)`, as a Parquet file. `garbled` sends the hubs' delays in seconds. */
  async reports(from: number, to: number, { garbled = false } = {}): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const where = `reported_ms >= ${from} and reported_ms < ${to}`;
    if (Number(await this.#scalar(`select count(*) from flights where ${where}`)) === 0) return undefined;
    const hubs = HUBS.map((hub) => `'${hub}'`).join(', ');
    const delay = garbled ? `if(origin in (${hubs}), delay::int * 60, delay::int)` : 'delay';
    const path = join(this.#scratchDir, `reports-${from}.parquet`);
    await this.#connection.run(
      `copy (select flight, date, ${delay} as delay, distance, origin::varchar as origin,
         destination::varchar as destination, zone::varchar as zone from flights where ${where}
       order by reported_ms, flight) to '${path}' (format parquet, compression zstd)`,
    );
    const bytes = new Uint8Array(await readFile(path));
    await rm(path);
    return bytes;
  }

  /** A uniform sample, one in `oneIn`, of the flights that leave within `[from, to)`, in order of departure. */
  async departures(from: number, to: number, oneIn: number): Promise<Departure[]> {
    const reader = await this.#connection.runAndReadAll(
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

  async largestAirports(count: number): Promise<string[]> {
    const reader = await this.#connection.runAndReadAll(
      `select origin::varchar from flights group by 1 order by count(*) desc limit ${count}`,
    );
    return reader.getRows().map((row) => String(row[0]));
  }

  close(): void {
    this.#connection.closeSync();
  }

  async #scalar(sql: string): Promise<unknown> {
    return (await this.#connection.runAndReadAll(sql)).getRows()[0]?.[0];
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
 * defects: they are for the platform to find.
 */
const LOAD = (flights: string, airports: string): string => `
  create type zone as enum (select distinct ${ZONES} from read_csv('${airports}'));
  create type airport as enum (select distinct iata from read_csv('${airports}'));
  create table flights as
  with numbered as (
    select row_number() over () as flight, date, delay, distance, origin, destination
    from read_parquet('${flights}')
  ), departed as (
    select n.*, a.zone, timezone(a.zone, date +
      if(hour(date) < 5 and hour(date) * 60 + minute(date) between 1 and delay, interval 1 day, interval 0 day))
      as departed
    from numbered n join (select iata, ${ZONES} as zone from read_csv('${airports}')) a on a.iata = n.origin
  )
  select flight::int as flight, date, delay::smallint as delay, distance::smallint as distance,
    origin::airport as origin, destination::airport as destination, zone::zone as zone,
    epoch_ms(departed)::bigint as departed_ms,
    epoch_ms(departed)::bigint + 60000 * cast(round(45 + distance / 7.75) as bigint) as reported_ms
  from departed`;
