/** A source of uniform pseudo-random numbers. Everything that draws takes one, so that a seed reproduces it. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** An integer in [0, bound). */
  int(bound: number): number;
}

/**
 * xoshiro128** by Blackman and Vigna (2018), seeded through splitmix32. Equal seeds give equal sequences on every
 * platform. Not for secrets.
 */
export function seededRandom(seed: number): Random {
  let mix = seed >>> 0;
  const word = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let a = word();
  let b = word();
  let c = word();
  let d = word();
  const rotate = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;
  const uint32 = (): number => {
    const result = Math.imul(rotate(Math.imul(b, 5) >>> 0, 7), 9) >>> 0;
    const t = (b << 9) >>> 0;
    c = (c ^ a) >>> 0;
    d = (d ^ b) >>> 0;
    b = (b ^ c) >>> 0;
    a = (a ^ d) >>> 0;
    c = (c ^ t) >>> 0;
    d = rotate(d, 11);
    return result;
  };
  return {
    next: () => ((uint32() >>> 5) * 67108864 + (uint32() >>> 6)) / 9007199254740992,
    int(bound) {
      return Math.floor((uint32() / 4294967296) * bound);
    },
  };
}

/** Shuffles `values` in place (Fisher–Yates) and returns it. */
export function shuffle<T extends { length: number; [index: number]: unknown }>(values: T, random: Random): T {
  const cells = values as { [index: number]: unknown };
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.int(i + 1);
    const held = cells[i];
    cells[i] = cells[j];
    cells[j] = held;
  }
  return values;
}
