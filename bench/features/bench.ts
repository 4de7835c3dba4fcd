/**
 * Builds 22 bitemporal features of the vega-datasets flights, one thread, and the same features in DuckDB in turn.
 *
 *     node bench/features/bench.ts [--rows 3000000] [--sample 300000] [--rounds 3] [--json]
 */
import { parseArgs } from 'node:util';
import { leakCheck, windowFeatures } from '#features';
import { anchorFeatures, countDifferences } from './anchor.ts';
import { type Flights, firstFlights, openFlights, readFlights } from './flights.ts';
import { onlineCosts } from './online.ts';
import { arrivals, arrivalViews, featureNames, kedgeFeatures } from './windows.ts';

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: '3000000' },
    sample: { type: 'string', default: '300000' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});

const secondsOf = async (run: () => unknown): Promise<number> => {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1_000;
};
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

function leaks(flights: Flights) {
  const { events, queries } = arrivals(flights);
  const rate = (time: 'known' | 'event') => {
    const views = arrivalViews.map((view) => ({ ...view, time }));
    const start = performance.now();
    const report = leakCheck({ events, queries, views, examplesMax: 1 });
    const seconds = (performance.now() - start) / 1_000;
    return {
      violations: report.violations,
      rowsViolating: report.rowsViolating,
      rowsPerSecond: flights.rows / seconds,
    };
  };
  return { honest: rate('known'), departureTime: rate('event') };
}

/** The 20 features over landed flights as windows of event time that see only what was known. */
function knownByEventTime(flights: Flights): void {
  const views = arrivalViews.map((view) => ({ ...view, time: 'event' as const }));
  windowFeatures({ ...arrivals(flights), views, onlyKnown: true });
}

async function main(): Promise<void> {
  const connection = await openFlights(Number(options.rows));
  const flights = await readFlights(connection);
  const sampleRows = Math.min(Number(options.sample), flights.rows);
  const sample = firstFlights(flights, sampleRows);
  const rssBefore = process.resourceUsage().maxRSS;
  const full: number[] = [await secondsOf(() => kedgeFeatures(flights))];
  const rssAfter = process.resourceUsage().maxRSS;
  const ours: number[] = [];
  const anchor: number[] = [];
  for (let round = 0; round < Number(options.rounds); round++) {
    ours.push(await secondsOf(() => kedgeFeatures(sample)));
    anchor.push(await secondsOf(() => anchorFeatures(connection, sampleRows)));
    full.push(await secondsOf(() => kedgeFeatures(flights)));
  }
  const report = {
    rows: flights.rows,
    features: featureNames.length,
    fullSeconds: full,
    fullRowsPerSecond: flights.rows / median(full),
    peakMegabytesAdded: (rssAfter - rssBefore) / 1_024,
    sampleRows,
    sampleRowsPerSecond: sampleRows / median(ours),
    anchorRowsPerSecond: sampleRows / median(anchor),
    ratioOnSample: median(anchor.map((seconds, round) => seconds / ours[round]!)),
    rowsDifferentFromAnchor: await countDifferences(connection, featureNames, kedgeFeatures(sample)),
    onlyKnownRowsPerSecond: flights.rows / (await secondsOf(() => knownByEventTime(flights))),
    leakCheck: leaks(flights),
    online: onlineCosts(flights),
  };
  if (options.json) console.log(JSON.stringify(report));
  else console.log(report);
}

await main();
