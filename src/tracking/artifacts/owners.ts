import type { Level } from '#platform/access';
import {
  type Asker,
  requireActiveExperiment,
  requireExperiment,
  requireRun,
  requireWritable,
} from '../services/require.ts';
import { requireModel } from '../services/require-model.ts';
import type { Db } from '../store/tables.ts';
import type { ArtifactPlace } from './owner.ts';

type Whose = Pick<ArtifactPlace, 'owner'>;

/** Throws unless there is this owner and the asker has the level on it. A deleted run can be read: it can come back. */
export async function requireOwner(db: Db, asker: Asker, { owner }: Whose, level: Level): Promise<void> {
  if (owner.kind === 'run') await requireRun(db, asker, { id: owner.id, level });
  else if (owner.kind === 'model') await requireModel(db, asker, { id: owner.id, level });
  else await requireExperiment(db, asker, { id: experimentOf(owner.id), level });
}

/** Throws unless the asker may add files to this owner, or take them from it. */
export async function requireWritableOwner(db: Db, asker: Asker, { owner }: Whose): Promise<void> {
  if (owner.kind === 'run') await requireWritable(db, asker, owner.id);
  else if (owner.kind === 'model') await requireModel(db, asker, { id: owner.id, level: 'EDIT' });
  else await requireActiveExperiment(db, asker, { id: experimentOf(owner.id), level: 'EDIT' });
}

/** The id of a trace begins with that of its experiment. */
function experimentOf(id: string): string {
  return id.split('/')[0] ?? '';
}
