import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '#core/errors';

const SEGMENT_PATTERN = /^(\d{20})\.log$/;

/** The file of the segment whose records come after offset `base`. */
export function segmentPath(folder: string, base: number): string {
  return join(folder, segmentName(base));
}

export function segmentName(base: number): string {
  return `${String(base).padStart(20, '0')}.log`;
}

/** The bases of all segments in ascending order; none if the folder does not exist. */
export async function listSegments(folder: string): Promise<number[]> {
  try {
    const names = await readdir(folder);
    const bases = names.map((name) => SEGMENT_PATTERN.exec(name)?.[1]).filter((digits) => digits !== undefined);
    return bases.map(Number).sort((a, b) => a - b);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The places of some frames, 64 KiB or more apart, so that a read need not begin at the beginning of its segment. */
export class PlaceIndex {
  readonly #segments = new Map<number, { readonly afters: number[]; readonly positions: number[] }>();

  /** Remembers that the frame after offset `after` begins at `position` of the segment `base`. */
  note(base: number, after: number, position: number): void {
    let places = this.#segments.get(base);
    if (!places) {
      places = { afters: [], positions: [] };
      this.#segments.set(base, places);
    }
    if (position - (places.positions.at(-1) ?? 0) < SPACING_BYTES) return;
    places.afters.push(after);
    places.positions.push(position);
  }

  /** The known place closest before the record after offset `after`. */
  find(base: number, after: number): Place {
    const places = this.#segments.get(base);
    let low = 0;
    let high = places?.afters.length ?? 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (places!.afters[middle]! <= after) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? { after: base, position: 0 } : at(places!, low - 1);
  }

  /** Forgets the segments before `base`. */
  trim(base: number): void {
    for (const known of this.#segments.keys()) if (known < base) this.#segments.delete(known);
  }
}

const SPACING_BYTES = 65_536;

export interface Place {
  readonly after: number;
  readonly position: number;
}

function at(places: { readonly afters: number[]; readonly positions: number[] }, index: number): Place {
  return { after: places.afters[index]!, position: places.positions[index]! };
}
