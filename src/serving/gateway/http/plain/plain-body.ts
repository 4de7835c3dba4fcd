import type { LiveArm, LiveEndpoint } from '../../live-endpoint.ts';
import { ID_LENGTH_MAX, type Instance, NO_INPUTS, TEXT_LENGTH_MAX } from '../../read-instance.ts';
import { FLOAT32_MAX } from '../../tensors/datatypes.ts';
import { Attempts } from './attempts.ts';
import { CLOSE, COLON, COMMA, JsonCursor, OPEN } from './json-cursor.ts';

/** An input where it stands in the body of a client, with the quotes around its name. */
interface Place {
  readonly name: Buffer;
  readonly kind: 'numeric' | 'category';
  readonly index: number;
}

const ID = Buffer.from('"id"');
const INPUTS = Buffer.from('"inputs"');
/** A name that JSON has to escape is not looked for. */
const PLAIN_NAME = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * Reads bodies that a client writes as it wrote one before: `{"id": …, "inputs": {…}}`, or without the id, with the
 * inputs in the same order. Their numbers go straight into a row: an object made of them first, to be asked for each by
 * its name and thrown away, costs twice as much as all else that is done with them. All other bodies, right or wrong,
 * are left to `JSON.parse`, and so is what to say of them.
 */
export class PlainBody {
  readonly #arm: LiveArm;
  readonly #cursor = new JsonCursor();
  readonly #attempts = new Attempts();
  #places: readonly Place[] | undefined;

  constructor(arm: LiveArm) {
    this.#arm = arm;
  }

  /** The request in a body, or undefined where it has to be read in another way. */
  read(body: Buffer): Instance | undefined {
    if (!this.#places) return undefined;
    return this.#attempts.try(body, this.#readWhole);
  }

  /** Expects the next body to have its inputs in the order of this one, if they are all that the model takes. */
  learn(inputs: unknown): void {
    if (this.#attempts.isPaused || inputs === null || typeof inputs !== 'object') return;
    const places = Object.keys(inputs).flatMap((name): readonly Place[] => {
      const place = placeOf(this.#arm, name);
      return place && PLAIN_NAME.test(name) ? [{ ...place, name: Buffer.from(`"${name}"`) }] : [];
    });
    const { numeric, categories } = this.#arm;
    const isWhole = places.length === Object.keys(inputs).length;
    if (isWhole && places.length === numeric.length + categories.length) this.#places = places;
  }

  readonly #readWhole = (body: Buffer): Instance | undefined => this.#cursor.over(body, this.#request);

  readonly #request = (): Instance | undefined => {
    const cursor = this.#cursor;
    if (!cursor.passes(OPEN)) return undefined;
    let id: string | undefined;
    if (cursor.passesAll(ID)) {
      if (!cursor.passes(COLON)) return undefined;
      id = cursor.text(ID_LENGTH_MAX) || undefined;
      if (id === undefined || !cursor.passes(COMMA)) return undefined;
    }
    if (!cursor.passesAll(INPUTS) || !cursor.passes(COLON) || !cursor.passes(OPEN)) return undefined;
    const row = this.#row(this.#places ?? []);
    if (!row || !cursor.passes(CLOSE) || !cursor.passes(CLOSE) || !cursor.isAtEnd) return undefined;
    return { id, at: undefined, entities: undefined, inputs: NO_INPUTS, row, arm: undefined };
  };

  #row(places: readonly Place[]): Instance['row'] {
    const cursor = this.#cursor;
    const numeric = this.#arm.noNumbers.slice();
    const categories = this.#arm.categories.length === 0 ? NO_CATEGORIES : this.#arm.categories.map(() => '');
    for (let i = 0; i < places.length; i++) {
      const { name, kind, index } = places[i] as Place;
      if ((i > 0 && !cursor.passes(COMMA)) || !cursor.passesAll(name) || !cursor.passes(COLON)) return undefined;
      if (kind === 'numeric') {
        const value = cursor.number();
        if (value === undefined || value > FLOAT32_MAX || value < -FLOAT32_MAX) return undefined;
        numeric[index] = value;
      } else {
        const text = cursor.text(TEXT_LENGTH_MAX);
        if (text === undefined) return undefined;
        categories[index] = text ?? '';
      }
    }
    return { numeric, categories };
  }
}

const NO_CATEGORIES: string[] = [];

function placeOf(arm: LiveArm, name: string): Omit<Place, 'name'> | undefined {
  const isNamed = (source: { readonly name: string }): boolean => source.name === name;
  const index = arm.numeric.findIndex(isNamed);
  if (index >= 0) return { kind: 'numeric', index };
  const category = arm.categories.findIndex(isNamed);
  return category < 0 ? undefined : { kind: 'category', index: category };
}

const bodies = new WeakMap<LiveEndpoint, PlainBody | null>();

/** The reader of an endpoint whose one revision takes all of its inputs from the request; undefined for others. */
export function plainBodyOf(endpoint: LiveEndpoint): PlainBody | undefined {
  let found = bodies.get(endpoint);
  if (found === undefined) {
    const { current, candidate, arms, entities } = endpoint;
    const sources = [...current.numeric, ...current.categories];
    const names = new Set(sources.map(({ name }) => name));
    const isAlone = !candidate && !arms && entities.length === 0 && !current.tensors && names.size === sources.length;
    found =
      isAlone && sources.length > 0 && sources.every(({ feature }) => feature < 0) ? new PlainBody(current) : null;
    bodies.set(endpoint, found);
  }
  return found ?? undefined;
}
