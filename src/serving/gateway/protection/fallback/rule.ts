import type { RuleSpec } from '../../../protection-spec.ts';
import type { LiveArm } from '../../live-endpoint.ts';
import type { Row } from '../../read-instance.ts';

type Test = (row: Row) => boolean;
type Condition = RuleSpec['cases'][number]['when'][number];

/**
 * A list of cases as a function of the current revision's row: the first case all of whose conditions hold gives the
 * score. A missing value meets no condition but `missing`. Tells the first input that the revision does not take.
 */
export function compileRule(
  { cases, otherwise }: RuleSpec,
  current: LiveArm,
): ((row: Row) => number) | { readonly missing: string } {
  const compiled: { readonly tests: readonly Test[]; readonly score: number }[] = [];
  for (const { when, score } of cases) {
    const tests: Test[] = [];
    for (const condition of when) {
      const test = compileCondition(condition, current);
      if (!test) return { missing: condition.input };
      tests.push(test);
    }
    compiled.push({ tests, score });
  }
  return (row) => compiled.find(({ tests }) => tests.every((test) => test(row)))?.score ?? otherwise;
}

function compileCondition({ input, is, value }: Condition, current: LiveArm): Test | undefined {
  const place = current.numeric.findIndex(({ name }) => name === input);
  if (place >= 0) return numericTest(place, is, value);
  const category = current.categories.findIndex(({ name }) => name === input);
  if (category < 0) return undefined;
  if (is === 'missing') return (row) => row.categories[category] === '';
  const values = new Set([value].flat().map(String));
  if (is === 'not') return (row) => row.categories[category] !== '' && !values.has(row.categories[category] as string);
  return (row) => values.has(row.categories[category] as string);
}

function numericTest(place: number, is: Condition['is'], value: Condition['value']): Test {
  const of = (row: Row): number => row.numeric[place] as number;
  const values = [value].flat().map(Number);
  const bound = values[0] as number;
  switch (is) {
    case 'missing':
      return (row) => Number.isNaN(of(row));
    case 'below':
      return (row) => of(row) < bound;
    case 'above':
      return (row) => of(row) > bound;
    case 'not':
      return (row) => !Number.isNaN(of(row)) && !values.includes(of(row));
    default:
      return (row) => values.includes(of(row));
  }
}
