import type { StepView } from '#pipelines/contract';

/** What the graph shows as one: a step, or several that are alike. */
export interface ShownNode {
  /** The name of the step, or of the first of those that are alike. */
  readonly id: string;
  readonly label: string;
  readonly needs: readonly string[];
  readonly steps: readonly StepView[];
}

/** So many steps of a run are shown each by itself. */
const FOLD_FROM = 30;
/** So few that are alike stay apart. */
const ALIKE_MIN = 4;

/**
 * Puts steps together that play the same part: in the same layer, needing and needed by steps that play the same parts
 * (the coarsest bisimulation, by refinement of colours). What failed stands by itself, and so do the members of groups
 * that are open. The groups form no cycle, since every edge leads to a later layer.
 */
export function folded(steps: readonly StepView[], open: ReadonlySet<string>): readonly ShownNode[] {
  const single = steps.map(
    (step): ShownNode => ({ id: step.step, label: step.step, needs: step.needs, steps: [step] }),
  );
  if (steps.length < FOLD_FROM) return single;
  const parts = partsOf(steps);
  const groups = [...Map.groupBy(steps, ({ step }) => parts.get(step) ?? 0).values()].filter(
    (members) => members.length >= ALIKE_MIN && !open.has(members[0]?.step ?? ''),
  );
  const groupOf = new Map<string, string>();
  const kept = groups.flatMap((members) => {
    const well = members.filter(({ status }) => status !== 'failed');
    const [first] = members;
    if (well.length < ALIKE_MIN || !first) return [];
    for (const { step } of well) groupOf.set(step, `${first.step}…`);
    return [{ id: `${first.step}…`, well }];
  });
  const shownNeeds = (needs: readonly string[]) => [...new Set(needs.map((need) => groupOf.get(need) ?? need))];
  return [
    ...single.filter(({ id }) => !groupOf.has(id)).map((node) => ({ ...node, needs: shownNeeds(node.needs) })),
    ...kept.map(({ id, well }) => ({
      id,
      label: commonName(well.map(({ step }) => step)),
      needs: shownNeeds(well.flatMap(({ needs }) => needs)),
      steps: well,
    })),
  ];
}

/** The step by which a group is named in an address. */
export function groupName({ id, steps }: ShownNode): string | undefined {
  return steps.length > 1 ? id.slice(0, -1) : undefined;
}

/** The groups that hold a step, as {@link folded} names them when nothing is open. */
export function groupHolding(steps: readonly StepView[], step: string): string | undefined {
  const parts = partsOf(steps);
  return steps.find((each) => parts.get(each.step) === parts.get(step))?.step;
}

/** A number for each step, equal for those that play the same part. */
function partsOf(steps: readonly StepView[]): ReadonlyMap<string, number> {
  const needs = new Map(steps.map((step) => [step.step, step.needs]));
  const users = new Map<string, string[]>(steps.map(({ step }) => [step, []]));
  for (const step of steps) for (const need of step.needs) users.get(need)?.push(step.step);
  const layers = new Map<string, number>();
  function layerOf(name: string): number {
    const known = layers.get(name);
    if (known !== undefined) return known;
    layers.set(name, 0);
    const layer = (needs.get(name) ?? []).reduce((most, need) => Math.max(most, layerOf(need) + 1), 0);
    layers.set(name, layer);
    return layer;
  }
  let parts: ReadonlyMap<string, number> = new Map(steps.map(({ step }) => [step, layerOf(step)]));
  for (let count = new Set(parts.values()).size; ; ) {
    const before = parts;
    const around = (names: readonly string[] | undefined) =>
      [...new Set((names ?? []).map((name) => before.get(name) ?? -1))].sort((a, b) => a - b).join();
    const numbers = new Map<string, number>();
    parts = new Map(
      steps.map(({ step }) => {
        const sign = `${before.get(step)}|${around(needs.get(step))}|${around(users.get(step))}`;
        const number = numbers.get(sign) ?? numbers.size;
        numbers.set(sign, number);
        return [step, number];
      }),
    );
    if (numbers.size === count) return parts;
    count = numbers.size;
  }
}

/** What the names begin with in common, `fit_…`; the first name when that is nothing. */
function commonName(names: readonly string[]): string {
  const [first = ''] = names;
  let length = first.length;
  for (const name of names) {
    let same = 0;
    while (same < length && name[same] === first[same]) same += 1;
    length = same;
  }
  return length > 0 ? `${first.slice(0, length)}…` : `${first}…`;
}

/** The steps that a step needs and that need it, directly or not, and the step itself. */
export function lineageOf(steps: readonly StepView[], of: string): ReadonlyMap<string, 'up' | 'self' | 'down'> {
  const found = new Map<string, 'up' | 'self' | 'down'>([[of, 'self']]);
  const needs = new Map(steps.map((step) => [step.step, step.needs]));
  const pending = [...(needs.get(of) ?? [])];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found.has(name)) continue;
    found.set(name, 'up');
    pending.push(...(needs.get(name) ?? []));
  }
  // Steps are declared in any order, so it is gone round until nothing is added.
  for (let isMore = true; isMore; ) {
    isMore = false;
    for (const step of steps) {
      const isBelow = step.needs.some((need) => found.get(need) === 'self' || found.get(need) === 'down');
      if (!isBelow || found.has(step.step)) continue;
      found.set(step.step, 'down');
      isMore = true;
    }
  }
  return found;
}
