import { canonicalJson, type Json } from '#core/json';
import type { Tx } from '#platform/db';
import type { Artifact } from '../contract.ts';
import type { StepDefinition } from '../store/steps.ts';
import { endedUnits, type NewUnit } from '../store/units.ts';
import { nestedParams, unitName } from '../units.ts';
import { NESTED_STEPS_MAX } from './containment.ts';
import type { NestedDefinition } from './pins.ts';
import { childrenOf } from './store.ts';

/**
 * The units of a step that is divided into runs of another pipeline. Where an earlier run is resumed, those that
 * succeeded in it are taken over, and the others go on where they ended. Throws a `RangeError` for more units than the
 * step may have.
 */
export async function nestedUnits(
  tx: Pick<Tx, 'db'>,
  of: {
    readonly step: string;
    readonly definition: StepDefinition;
    readonly pipeline: NestedDefinition;
    readonly inputs: Readonly<Record<string, Artifact>>;
    readonly items: readonly Json[];
  },
): Promise<NewUnit[]> {
  const { map: _map, when: _when, ...shared } = of.definition;
  const { resumesUnitsOf, budget = NESTED_STEPS_MAX, ...pipeline } = of.pipeline;
  const each = of.items.length === 0 ? budget : Math.floor(budget / of.items.length);
  if (each < (pipeline.steps ?? 1)) {
    const needed = of.items.length * (pipeline.steps ?? 1);
    throw new RangeError(
      `its ${of.items.length} units have ${needed} steps with all inside '${pipeline.name}', at most ${budget}`,
    );
  }
  const earlier = resumesUnitsOf === undefined ? undefined : await endedUnits(tx.db, resumesUnitsOf, of.step);
  const names = of.items.map((_, index) => unitName(of.step, index));
  const runs = resumesUnitsOf === undefined ? new Map() : await childrenOf(tx.db, resumesUnitsOf, of.step);
  return of.items.map((item, index): NewUnit => {
    const name = names[index] ?? '';
    const known = earlier?.get(name);
    const before = known && canonicalJson(known.item) === canonicalJson(item) ? known : undefined;
    const resumes: string | undefined = before && !before.product ? runs.get(name) : undefined;
    const inside = { ...pipeline, budget: each, ...(resumes === undefined ? {} : { resumes }) };
    const params = nestedParams(shared.params, item, index);
    const definition = { ...shared, params, item, pipeline: inside };
    return { name, definition, inputs: of.inputs, keyed: undefined, hit: before?.product };
  });
}
