import { seededRandom } from '#core/random';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** One ride: asked about when it begins, known when it has ended. */
export interface Ride {
  readonly id: string;
  readonly at: number;
  readonly knownAt: number;
  readonly zone: string;
  readonly car: string;
  /** What a request brings with it, from -1 to 1. */
  readonly x: number;
  readonly late: 0 | 1;
}

export interface TownOptions {
  readonly seed: number;
  readonly ridesPerHour: number;
  /** Event time at which what `x` means for a ride turns into its opposite. */
  readonly changeAt?: number;
}

const ZONES = ['north', 'east', 'south', 'west'];
const CARS = ['compact', 'estate', 'van'];
const START = Date.UTC(2024, 0, 1);
const CROWD_MS = 2 * HOUR;

/**
 * A seeded stream of rides whose concept is known: a ride is late with probability sigmoid(3·s·x + c), where s is 1
 * until `changeAt` and -1 from then on, and c is how crowded its zone is for two hours at a time. Recent rides of the
 * zone tell c, so features help; a model that learnt s = 1 is wrong once s is -1.
 */
export class Town {
  readonly #options: TownOptions;

  constructor(options: TownOptions) {
    this.#options = options;
  }

  /** Rides that begin in `[from, to)`, in order. Equal towns have equal rides, whatever is asked for. */
  rides(from: number, to: number): Ride[] {
    const everyMs = HOUR / this.#options.ridesPerHour;
    const first = Math.ceil((from - START) / everyMs);
    const last = Math.ceil((to - START) / everyMs);
    return Array.from({ length: last - first }, (_, i) => this.#ride(first + i, START + (first + i) * everyMs));
  }

  /** Rides that became known in `[from, to)`. */
  known(from: number, to: number): Ride[] {
    return this.rides(from - 2 * HOUR, to).filter(({ knownAt }) => knownAt >= from && knownAt < to);
  }

  #ride(index: number, at: number): Ride {
    const { seed, changeAt = Number.POSITIVE_INFINITY } = this.#options;
    const random = seededRandom(seed * 10_000_019 + index);
    const zone = random.int(ZONES.length);
    const x = Math.round((2 * random.next() - 1) * 1_024) / 1_024;
    const logit = (at < changeAt ? 3 : -3) * x + this.#crowd(zone, at);
    return {
      id: `ride-${index}`,
      at,
      knownAt: at + 10 * MINUTE + random.int(30) * MINUTE,
      zone: ZONES[zone] ?? '',
      car: CARS[random.int(CARS.length)] ?? '',
      x,
      late: random.next() < 1 / (1 + Math.exp(-logit)) ? 1 : 0,
    };
  }

  #crowd(zone: number, at: number): number {
    const random = seededRandom(this.#options.seed * 10_000_019 + 7_919 * Math.floor(at / CROWD_MS) + zone + 1);
    return random.next() < 0.5 ? -1.2 : 1.2;
  }
}

/** Midnight of a day of the town's calendar, counted from 1. */
export function dayOf(day: number): number {
  return START + (day - 1) * DAY;
}

/** The reports of rides as a batch of the dataset, in NDJSON. */
export function reportOf(rides: readonly Ride[]): { contentType: string; bytes: Uint8Array<ArrayBuffer> } {
  const lines = rides.map(({ id, at, knownAt, zone, car, x, late }) =>
    JSON.stringify({ ride: id, began: iso(at), ended: iso(knownAt), zone, car, x, late }),
  );
  return { contentType: 'application/x-ndjson', bytes: new TextEncoder().encode(`${lines.join('\n')}\n`) };
}

function iso(at: number): string {
  return new Date(at).toISOString().slice(0, -1);
}
