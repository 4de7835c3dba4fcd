import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** The flights of vega-datasets as two bitemporal event tables that share rows and key dictionaries. */
export interface Flights {
  readonly rows: number;
  /** Departure (gate-out) in UTC: the event, and the time of every query. */
  readonly departedMs: Float64Array;
  /** When the delay of a flight became known: after taxi, flight and reporting. */
  readonly knownMs: Float64Array;
  readonly origin: Int32Array;
  readonly destination: Int32Array;
  readonly airports: number;
  readonly delay: Float32Array;
  readonly late: Float32Array;
}

const DATA = new URL('../../node_modules/vega-datasets/data/', import.meta.url).pathname;

/** States with one zone; Indiana outside Evansville kept standard time in 2001. */
const ZONE_STATES: Readonly<Record<string, string>> = {
  'America/New_York': 'CT DE FL GA KY MA MD ME MI NA NC NH NJ NY OH PA RI SC VA VT WV TN',
  'America/Indiana/Indianapolis': 'IN',
  'America/Chicago': 'AL AR IA IL KS LA MN MO MS ND NE OK SD TX WI',
  'America/Denver': 'CO ID MT NM UT WY',
  'America/Phoenix': 'AZ',
  'America/Los_Angeles': 'CA NV OR WA',
  'America/Anchorage': 'AK',
  'Pacific/Honolulu': 'HI',
  'America/Puerto_Rico': 'PR VI',
};

/** Airports whose county differs from the zone of its state. */
const ZONE_AIRPORTS: Readonly<Record<string, string>> = {
  'America/Chicago': 'PNS VPS ECP MEM BNA EVV',
  'America/Denver': 'ELP RAP',
  'America/Adak': 'ADK',
};

const quoted = (names: string): string =>
  names
    .split(' ')
    .map((name) => `'${name}'`)
    .join(', ');
const cases = (column: string, zones: Readonly<Record<string, string>>): string =>
  Object.entries(zones)
    .map(([zone, names]) => `WHEN ${column} IN (${quoted(names)}) THEN '${zone}'`)
    .join(' ');

/**
 * `date` is the actual departure in local time of the origin, stamped on the scheduled day: a flight that left after
 * midnight with a delay longer than the minutes since then belongs to the next day. The delay is known 40 minutes of
 * taxi, the flight at 465 mph and 5 minutes of reporting after departure.
 */
const PREPARE = `
  CREATE TEMP TABLE zones AS
    SELECT iata, CASE ${cases('iata', ZONE_AIRPORTS)} ${cases('state', ZONE_STATES)} END AS zone
    FROM read_csv('${DATA}airports.csv');
  CREATE TEMP TABLE raw AS
    SELECT *, 60 * hour(date) + minute(date) AS minutes FROM read_parquet('${DATA}flights-3m.parquet') LIMIT $rows;
  CREATE TEMP TABLE airports AS
    SELECT code, row_number() OVER (ORDER BY code) - 1 AS number
    FROM (SELECT origin AS code FROM raw UNION SELECT destination FROM raw);
  CREATE TEMP TABLE flights AS
    SELECT departed, departed + CAST(60000 * round(45 + distance / 7.75) AS BIGINT) AS known, o.number AS origin,
      d.number AS destination, delay
    FROM (
      SELECT *, epoch_ms(timezone(zone, date + CASE
        WHEN hour(date) < 5 AND minutes > 0 AND delay >= minutes THEN INTERVAL 1 DAY
        ELSE INTERVAL 0 DAY END)) AS departed
      FROM raw JOIN zones ON zones.iata = raw.origin)
    JOIN airports o ON o.code = origin JOIN airports d ON d.code = destination
    ORDER BY departed, known, o.number, d.number, delay;
`;

/** Opens an in-memory DuckDB with one thread and the first `rows` rows of the file in the temporary table `flights`. */
export async function openFlights(rows: number): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  await connection.run(PREPARE.replace('$rows', String(rows)));
  const [unzoned] = (
    await connection.runAndReadAll('SELECT count(*) FILTER (zone IS NULL) FROM zones JOIN airports ON code = iata')
  ).getRows();
  if (unzoned?.[0] !== 0n) throw new Error(`${unzoned?.[0]} airports have no time zone`);
  return connection;
}

export async function readFlights(connection: DuckDBConnection): Promise<Flights> {
  const [counts] = (
    await connection.runAndReadAll('SELECT (SELECT count(*) FROM flights), (SELECT count(*) FROM airports)')
  ).getRows();
  const rows = Number(counts?.[0]);
  const flights: Flights = {
    rows,
    departedMs: new Float64Array(rows),
    knownMs: new Float64Array(rows),
    origin: new Int32Array(rows),
    destination: new Int32Array(rows),
    airports: Number(counts?.[1]),
    delay: new Float32Array(rows),
    late: new Float32Array(rows),
  };
  const targets = [flights.departedMs, flights.knownMs, flights.origin, flights.destination, flights.delay];
  const result = await connection.stream(
    'SELECT departed::DOUBLE, known::DOUBLE, origin::INTEGER, destination::INTEGER, delay::FLOAT FROM flights',
  );
  let row = 0;
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    targets.forEach((target, column) => {
      const vector = chunk!.getColumnVector(column);
      for (let i = 0; i < vector.itemCount; i++) target[row + i] = Number(vector.getItem(i));
    });
    row += chunk.rowCount;
  }
  for (let i = 0; i < rows; i++) flights.late[i] = flights.delay[i]! > 15 ? 1 : 0;
  return flights;
}

/** The first `rows` flights by departure. */
export function firstFlights(flights: Flights, rows: number): Flights {
  return {
    ...flights,
    rows,
    departedMs: flights.departedMs.slice(0, rows),
    knownMs: flights.knownMs.slice(0, rows),
    origin: flights.origin.slice(0, rows),
    destination: flights.destination.slice(0, rows),
    delay: flights.delay.slice(0, rows),
    late: flights.late.slice(0, rows),
  };
}
