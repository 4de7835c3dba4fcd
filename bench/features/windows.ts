import { type WindowView, windowFeatures } from '#features';
import type { Flights } from './flights.ts';

const HOUR = 3_600_000;
const WINDOWS = { '1h': HOUR, '3h': 3 * HOUR, '24h': 24 * HOUR };

const airportView = (key: 'origin' | 'destination'): WindowView => ({
  keys: [key],
  time: 'known',
  features: Object.entries(WINDOWS).flatMap(([name, windowMs]) => [
    { name: `${key}_delay_${name}`, aggregate: 'mean' as const, column: 'delay', windowMs },
    { name: `${key}_late_${name}`, aggregate: 'mean' as const, column: 'late', windowMs },
    { name: `${key}_count_${name}`, aggregate: 'count' as const, windowMs },
  ]),
});

/** Over landed flights: what a delay feature may use. */
export const arrivalViews: readonly WindowView[] = [
  airportView('origin'),
  airportView('destination'),
  {
    keys: ['origin', 'destination'],
    time: 'known',
    features: [
      { name: 'route_delay_7d', aggregate: 'mean', column: 'delay', windowMs: 168 * HOUR },
      { name: 'route_late_7d', aggregate: 'mean', column: 'late', windowMs: 168 * HOUR },
    ],
  },
];

/** Over departures, each known at once: the traffic at the origin and on its way to the destination. */
export const departureViews: readonly WindowView[] = [
  {
    keys: ['origin'],
    time: 'known',
    features: [{ name: 'origin_departures_60m', aggregate: 'count', windowMs: HOUR }],
  },
  {
    keys: ['destination'],
    time: 'known',
    features: [{ name: 'destination_departures_60m', aggregate: 'count', windowMs: HOUR }],
  },
];

export const featureNames = [...arrivalViews, ...departureViews].flatMap(({ features }) =>
  features.map(({ name }) => name),
);

export function arrivals(flights: Flights) {
  const { departedMs, knownMs, airports, delay, late } = flights;
  const keys = {
    origin: { codes: flights.origin, cardinality: airports },
    destination: { codes: flights.destination, cardinality: airports },
  };
  return {
    events: { eventMs: departedMs, knownMs, keys, values: { delay, late } },
    queries: { atMs: departedMs, keys },
  };
}

/** All 22 features of every flight. */
export function kedgeFeatures(flights: Flights): Float32Array[] {
  const { events, queries } = arrivals(flights);
  const departures = { ...events, knownMs: events.eventMs, values: {} };
  return [
    ...windowFeatures({ events, queries, views: arrivalViews }),
    ...windowFeatures({ events: departures, queries, views: departureViews }),
  ];
}
