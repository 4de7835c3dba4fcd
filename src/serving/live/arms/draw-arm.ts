import { bucketHash } from '#core/hash';

/** Something that requests are drawn to. Weights are relative: all of them twice as large draw the same. */
export interface Weighted {
  readonly name: string;
  readonly weight: number;
}

/** A prepared draw: the arm for each text, always the same one. */
export type ArmDraw = (text: string) => string;

/**
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998; the logarithmic weights are of Schindelhauer and Schomaker
 * 2005): each arm draws a uniform number u by the text and its own name, and the largest −weight/ln(u) wins, which is
 * an arm with the probability weight/Σ weights. What an arm draws depends on no other. So when an arm comes, goes or
 * changes its weight, texts move to it or away from it and never between others: exactly the share that has to move.
 * O(arms) a text.
 */
export function armDraw(arms: readonly Weighted[]): ArmDraw {
  const drawn = arms
    .filter(({ weight }) => weight > 0)
    .map(({ name, weight }) => ({ name, weight, seed: bucketHash(`arm/${name}`) }));
  return (text) => {
    const hash = bucketHash(text);
    let best = drawn[0];
    let most = Number.NEGATIVE_INFINITY;
    for (const arm of drawn) {
      const score = -arm.weight / Math.log(uniform(hash, arm.seed));
      if (score <= most) continue;
      most = score;
      best = arm;
    }
    return best?.name ?? '';
  };
}

/** Between 0 and 1, both excluded: the finalizer of MurmurHash3, twice, so that seeds do not show in pairs of arms. */
function uniform(hash: number, seed: number): number {
  return (mix(Math.imul(mix(hash ^ seed), 0x9e3779b1) ^ seed) + 0.5) / 2 ** 32;
}

function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
