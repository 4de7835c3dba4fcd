import type { Digest } from '#core/hash';
import type { StepState } from '../model.ts';
import { stateOf } from './step-state.ts';
import type { StepDefinition, StepProduct } from './steps.ts';
import { type Db, tables } from './tables.ts';

/** A step or unit whose work is in the cache, because it did it or took it from there, and what the cache has of it. */
export interface KeptStep extends StepProduct {
  readonly step: string;
  readonly key: Digest;
  readonly state: StepState;
}

/** The steps and units of a run whose work is in the cache, in their order. */
export async function cachedSteps(db: Db, run: string): Promise<KeptStep[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step as s')
    .innerJoin('pipeline_cache as c', 'c.cache_key', 's.cache_key')
    .selectAll('s')
    .select(['c.outputs as kept_outputs', 'c.result as kept_result', 'c.metrics as kept_metrics'])
    .where('s.run', '=', run)
    .where('s.status', 'in', ['cached', 'succeeded'])
    .orderBy('s.parent')
    .orderBy('s.position')
    .execute();
  return rows.map((row) => ({
    step: row.name,
    key: row.cache_key as Digest,
    state: stateOf(row),
    outputs: JSON.parse(row.kept_outputs),
    result: JSON.parse(row.kept_result),
    metrics: JSON.parse(row.kept_metrics),
  }));
}

/** The products of the steps of a run that have one, by step. */
export async function productsOf(db: Db, run: string): Promise<Map<string, StepProduct & { readonly from: string }>> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['name', 'outputs', 'result', 'metrics', 'cached_from'])
    .where('run', '=', run)
    .where('status', 'in', ['succeeded', 'cached'])
    .where('parent', 'is', null)
    .execute();
  return new Map(
    rows.map((row) => [
      row.name,
      {
        outputs: JSON.parse(row.outputs),
        result: JSON.parse(row.result),
        metrics: JSON.parse(row.metrics),
        from: row.cached_from ?? run,
      },
    ]),
  );
}

/** The states and definitions of a run's steps, as a further run can take them over. */
export async function definitionsOf(db: Db, run: string): Promise<{ name: string; definition: StepDefinition }[]> {
  const rows = await tables(db)
    .selectFrom('pipeline_step')
    .select(['name', 'definition'])
    .where('run', '=', run)
    .where('parent', 'is', null)
    .orderBy('position')
    .execute();
  return rows.map((row) => ({ name: row.name, definition: JSON.parse(row.definition) }));
}
