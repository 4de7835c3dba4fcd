import type { Level } from '#platform/access';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import { type Asker, requireExperiment } from '../services/require.ts';
import type { Db } from '../store/tables.ts';
import { traceKey } from './model.ts';
import { findTrace, type TraceRow } from './store/traces.ts';

/** A trace of the asker's project that is not deleted; its experiment decides who may do what with it. */
export async function requireTrace(
  db: Db,
  asker: Asker,
  { id, level }: { readonly id: string; readonly level: Level },
): Promise<TraceRow> {
  const found = await findTrace(db, traceKey(asker === undefined ? 'default' : projectOf(asker), id));
  if (!found || found.deleted_at !== null) throw traceNotFound(id);
  await requireExperiment(db, asker, { id: found.experiment, level });
  return found;
}

export function traceNotFound(id: string): Error {
  return trackingErrors['trace-not-found'](`Trace with ID '${id}' not found.`);
}
