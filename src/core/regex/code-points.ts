/** A set of Unicode code points as ranges, both ends included, in order and apart from each other. */
export type CodePoints = readonly Range[];
export type Range = readonly [first: number, last: number];

/** No text that is kept holds NUL. */
export const FIRST_CODE_POINT = 1;
export const LAST_CODE_POINT = 0x10ffff;

export function union(...sets: readonly CodePoints[]): CodePoints {
  const ranges = sets.flat().sort((a, b) => a[0] - b[0]);
  const joined: [number, number][] = [];
  for (const [first, last] of ranges) {
    const before = joined.at(-1);
    if (before && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined;
}

export function complement(set: CodePoints): CodePoints {
  const gaps: Range[] = [];
  let next = FIRST_CODE_POINT;
  for (const [first, last] of set) {
    if (first > next) gaps.push([next, first - 1]);
    next = last + 1;
  }
  if (next <= LAST_CODE_POINT) gaps.push([next, LAST_CODE_POINT]);
  return gaps;
}

/** The set with every other case of its letters: `k` brings `K` and the Kelvin sign. */
export function withOtherCases(set: CodePoints): CodePoints {
  const others: Range[] = [];
  for (const [letter, cases] of casesOfLetters()) {
    if (set.some(([first, last]) => first <= letter && letter <= last)) others.push(...cases);
  }
  return union(set, others);
}

/** No letter past the Supplementary Multilingual Plane has a case. */
const CASED_MAX = 0x1ffff;
/** The dotless i and the dotted I have cases in Turkish alone. */
const TURKISH = new Set([0x130, 0x131]);

let letters: ReadonlyMap<number, readonly Range[]> | undefined;

/** Of each letter that has another case, all the cases of it, one code point each. Made when it is first asked for. */
function casesOfLetters(): ReadonlyMap<number, readonly Range[]> {
  letters ??= collectCases();
  return letters;
}

function collectCases(): ReadonlyMap<number, readonly Range[]> {
  const byFolded = new Map<number, number[]>();
  for (let code = 0; code <= CASED_MAX; code++) {
    if (TURKISH.has(code)) continue;
    const letter = String.fromCodePoint(code);
    // By way of the capital, which the forms of one small letter share: the final sigma and the other one.
    const folded = single(single(letter.toUpperCase(), letter).toLowerCase(), letter);
    if (folded === letter && letter.toUpperCase() === letter) continue;
    const key = folded.codePointAt(0) ?? code;
    byFolded.set(key, [...(byFolded.get(key) ?? []), code]);
  }
  const cases = new Map<number, readonly Range[]>();
  for (const [key, codes] of byFolded) {
    const all = [...new Set([key, ...codes])];
    if (all.length < 2) continue;
    const ranges = all.map((code): Range => [code, code]);
    for (const code of all) cases.set(code, ranges);
  }
  return cases;
}

/** What became of a letter, unless that is more than one. */
function single(changed: string, letter: string): string {
  return [...changed].length === 1 ? changed : letter;
}
