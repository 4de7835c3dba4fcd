import type { Level } from '#platform/access';
import { trackingErrors } from '../errors.ts';
import { findModelState, type ModelState } from '../store/models.ts';
import type { Db } from '../store/tables.ts';
import { type Asker, requireExperiment } from './require.ts';

/** A logged model that is not deleted; its experiment decides who may do what with it. */
export async function requireModel(
  db: Db,
  asker: Asker,
  { id, level }: { readonly id: string; readonly level: Level },
): Promise<ModelState> {
  const found = await findModelState(db, id);
  if (found?.lifecycle !== 'active') throw modelNotFound(id);
  await requireExperiment(db, asker, { id: found.experiment, level });
  return found;
}

export function modelNotFound(id: string): Error {
  return trackingErrors['model-not-found'](`Logged model with ID '${id}' not found.`);
}
