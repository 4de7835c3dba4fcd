import { statement } from '#platform/db';
import type { Artifact } from '../contract.ts';
import type { StepState } from '../model.ts';
import { STATE_COLUMNS, stateOf } from './step-state.ts';
import type { StepAddress, StepDefinition } from './steps.ts';
import { type Db, tables } from './tables.ts';

/** All of a step, or of a unit, that a lease of it takes. */
export interface Leasable {
  readonly state: StepState;
  readonly definition: StepDefinition;
  readonly inputs: Readonly<Record<string, Artifact>>;
}

export async function findLeasable(db: Db, { run, step }: StepAddress): Promise<Leasable | undefined> {
  const [row] = await selectLeasable(db, { run, step });
  if (!row) return undefined;
  return { state: stateOf(row), definition: JSON.parse(row.definition), inputs: JSON.parse(row.inputs ?? '{}') };
}

const selectLeasable = statement(['run', 'step'], (db, { run, step }: StepAddress) =>
  tables(db)
    .selectFrom('pipeline_step')
    .select([...STATE_COLUMNS, 'definition', 'inputs'])
    .where('run', '=', run)
    .where('name', '=', step),
);
