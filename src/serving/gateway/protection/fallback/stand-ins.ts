import type { FallbackRoute } from '../../../routing.ts';
import { type LiveArm, liveArm } from '../../live-endpoint.ts';
import type { Row } from '../../read-instance.ts';
import { compileRule } from './rule.ts';

/** What answers in the place of a revision that cannot. */
export type StandIn =
  | {
      readonly by: 'previous' | 'model';
      readonly revision: string;
      readonly arm: LiveArm;
      /** The row as this one takes it, of the row that the current revision takes. */
      readonly rowOf: (row: Row) => Row;
    }
  | {
      readonly by: 'rule' | 'constant';
      readonly revision: string;
      readonly arm: undefined;
      readonly scoreOf: (row: Row) => number;
    };

/**
 * The stand-ins of an endpoint in their order. One that takes what the current revision does not is left out: `onUnfit`
 * is told its name and why.
 */
export function standInsOf(
  routes: readonly FallbackRoute[],
  current: LiveArm,
  onUnfit: (name: string, why: string) => void,
): readonly StandIn[] {
  return routes.flatMap((route): StandIn[] => {
    if (current.tensors && !('arm' in route)) {
      onUnfit(route.by, 'answers a number, and the current revision tensors');
      return [];
    }
    if (route.by === 'constant') {
      return [{ by: 'constant', revision: 'constant', arm: undefined, scoreOf: () => route.score }];
    }
    if (route.by === 'rule') {
      const scoreOf = compileRule(route.rule, current);
      if (typeof scoreOf === 'function') return [{ by: 'rule', revision: 'rule', arm: undefined, scoreOf }];
      onUnfit('rule', lacking(scoreOf.missing));
      return [];
    }
    const arm = liveArm(route.arm);
    const places = placesOf(arm, current);
    const { revision } = route.arm;
    if (JSON.stringify(arm.tensors?.inputs) !== JSON.stringify(current.tensors?.inputs)) {
      onUnfit(revision, 'takes other tensors than the current revision');
      return [];
    }
    if ('missing' in places) {
      onUnfit(revision, lacking(places.missing));
      return [];
    }
    const rowOf = (row: Row): Row => ({
      numeric: places.numeric.map((place) => row.numeric[place] as number),
      categories: places.categories.map((place) => row.categories[place] as string),
    });
    return [{ by: route.by, revision, arm, rowOf }];
  });
}

const lacking = (input: string): string => `takes '${input}', which the current revision does not`;

type Places = { readonly numeric: readonly number[]; readonly categories: readonly number[] };

function placesOf(arm: LiveArm, current: LiveArm): Places | { readonly missing: string } {
  const numericNames = current.numeric.map(({ name }) => name);
  const categoryNames = current.categories.map(({ name }) => name);
  const numeric = arm.numeric.map(({ name }) => numericNames.indexOf(name));
  const categories = arm.categories.map(({ name }) => categoryNames.indexOf(name));
  const missing = arm.numeric[numeric.indexOf(-1)]?.name ?? arm.categories[categories.indexOf(-1)]?.name ?? undefined;
  return missing === undefined ? { numeric, categories } : { missing };
}
