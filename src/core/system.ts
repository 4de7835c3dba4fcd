import { type Clock, systemClock } from './clock.ts';
import { type IdSource, systemIds } from './ids.ts';
import { type Random, seededRandom } from './random.ts';

/** What a program may not invent for itself: time, identifiers and chance. */
export interface System {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly random: Random;
}

/** The real system: wall clock, time-ordered identifiers, randomness seeded from the clock. */
export function realSystem(): System {
  return { clock: systemClock, ids: systemIds(systemClock), random: seededRandom(systemClock.now()) };
}
