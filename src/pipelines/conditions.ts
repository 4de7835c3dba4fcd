import type { Json } from '#core/json';
import type { Condition } from './spec.ts';

/** The first part of what a condition speaks of: `params`, or a step. */
export function sourceOf({ of }: Condition): { readonly source: string; readonly path: readonly string[] } {
  const [source = '', ...path] = of.split('.');
  return { source, path };
}

/** Why a condition does not hold, with the value that was found; undefined when it does. */
export function obstacleOf(condition: Condition, found: Json | undefined): string | undefined {
  const { of, equals, not, atLeast, below } = condition;
  const shown = found === undefined ? 'absent' : JSON.stringify(found).slice(0, 200);
  const told = (expected: string): string => `its condition is not met: ${of} is ${shown}, expected ${expected}`;
  if (equals !== undefined) return found === equals ? undefined : told(JSON.stringify(equals));
  if (not !== undefined) return found !== not ? undefined : told(`anything but ${JSON.stringify(not)}`);
  if (atLeast !== undefined)
    return typeof found === 'number' && found >= atLeast ? undefined : told(`at least ${atLeast}`);
  return typeof found === 'number' && below !== undefined && found < below ? undefined : told(`below ${below}`);
}

/** What lies at a path of a JSON value. */
export function valueAt(value: Json | undefined, path: readonly string[]): Json | undefined {
  let current = value;
  for (const name of path) {
    if (current === null || typeof current !== 'object') return undefined;
    const found: Json | undefined = Object.hasOwn(current, name)
      ? (current as { readonly [key: string]: Json })[name]
      : undefined;
    current = found;
  }
  return current;
}
