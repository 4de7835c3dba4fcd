import { highest, type Level } from '#platform/access';
import type { Context } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import { accessOf } from '../services/require.ts';
import { experimentsOf } from '../store/experiments.ts';
import type { Db } from '../store/tables.ts';
import type { EvaluationDataset } from './model.ts';
import { datasetsOf } from './store/datasets.ts';

/**
 * A data set of the asker's project that is not deleted. Whoever has the level on the project has it on the data set,
 * and so has whoever has it on one of the experiments that the data set belongs to.
 */
export async function requireDataset(
  db: Db,
  context: Context,
  { id, level }: { readonly id: string; readonly level: Level },
): Promise<EvaluationDataset> {
  const [found] = await datasetsOf(db, [id]);
  if (!found || found.project !== projectOf(context)) throw datasetNotFound(id);
  const access = accessOf(context);
  if (!access) return found;
  const links = await experimentsOf(db, found.experiments);
  const held = highest(links.map((link) => access.levelOn(`experiment/${link.id}`, link.createdBy)));
  const isHeld = held !== undefined && highest([held, level]) === held;
  if (!isHeld) access.require(`evaluation-dataset/${id}`, level, found.owner);
  return found;
}

export function datasetNotFound(id: string): Error {
  return trackingErrors['dataset-not-found'](`Could not find evaluation dataset with ID ${id}`);
}
