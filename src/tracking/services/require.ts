import type { AccessContext, Level } from '#platform/access';
import type { Context } from '#platform/db';
import type { Experiment } from '../contract.ts';
import { trackingErrors } from '../errors.ts';
import { projectOf } from '../project.ts';
import { experimentsOf, findExperiment } from '../store/experiments.ts';
import { findLifecycle, type RunState } from '../store/runs.ts';
import type { Db } from '../store/tables.ts';

/**
 * Who asks: the context of a request, which has a project and what its actor may do there, or that of a part of the
 * platform, which may do everything; nobody in particular for what the platform asks itself.
 */
export type Asker = Context | undefined;

/** Throws unless the asker has the level on the experiment, which is what everything in it is decided by. */
function requireLevel(
  asker: Asker,
  experiment: { readonly id: string; readonly createdBy: string },
  level: Level,
): void {
  accessOf(asker)?.require(`experiment/${experiment.id}`, level, experiment.createdBy);
}

export function accessOf(asker: Asker): AccessContext['access'] | undefined {
  return (asker as Partial<AccessContext> | undefined)?.access;
}

function isElsewhere(asker: Asker, project: string): boolean {
  return asker !== undefined && project !== projectOf(asker);
}

/** What is in another project is not there: the answer does not tell that it exists. */
export async function requireExperiment(
  db: Db,
  asker: Asker,
  { id, level }: { readonly id: string; readonly level: Level },
): Promise<Experiment> {
  const found = await findExperiment(db, { id });
  if (!found || isElsewhere(asker, found.project)) {
    throw trackingErrors['experiment-not-found'](`No Experiment with id=${id} exists`);
  }
  requireLevel(asker, found, level);
  return found;
}

export async function requireActiveExperiment(
  db: Db,
  asker: Asker,
  wanted: { readonly id: string; readonly level: Level },
): Promise<Experiment> {
  return requireActive(await requireExperiment(db, asker, wanted));
}

export function requireActive(experiment: Experiment): Experiment {
  if (experiment.lifecycle === 'active') return experiment;
  throw trackingErrors['experiment-deleted'](
    `The experiment ${experiment.id} ('${experiment.name}') must be in the 'active' state. Current state is deleted: ` +
      'restore it, or choose another name.',
  );
}

/** Those of the experiments that are there for the asker to see. */
export async function visibleExperiments(db: Db, asker: Asker, ids: readonly string[]): Promise<string[]> {
  const found = await experimentsOf(db, [...new Set(ids)]);
  const access = accessOf(asker);
  return found
    .filter(({ project }) => !isElsewhere(asker, project))
    .filter(({ id, createdBy }) => !access || access.levelOn(`experiment/${id}`, createdBy) !== undefined)
    .map(({ id }) => id);
}

export async function requireRun(
  db: Db,
  asker: Asker,
  { id, level }: { readonly id: string; readonly level: Level },
): Promise<RunState> {
  return requireFound(await findLifecycle(db, id), asker, { id, level });
}

function requireFound(
  found: RunState | undefined,
  asker: Asker,
  { id, level }: { readonly id: string; readonly level: Level },
): RunState {
  if (!found || isElsewhere(asker, found.project)) {
    throw trackingErrors['run-not-found'](`Run with id=${id} not found`);
  }
  requireLevel(asker, { id: found.experiment, createdBy: found.experimentOwner }, level);
  return found;
}

/** A run that the asker may log to. */
export async function requireWritable(db: Db, asker: Asker, id: string): Promise<RunState> {
  return writable(await findLifecycle(db, id), asker, id);
}

/** As {@link requireWritable}, of what was found under the id. */
export function writable(run: RunState | undefined, asker: Asker, id: string): RunState {
  const found = requireFound(run, asker, { id, level: 'EDIT' });
  if (found.lifecycle === 'active') return found;
  throw trackingErrors['run-deleted'](
    `The run ${id} must be in the 'active' state. Current state is deleted: restore it first.`,
  );
}

/** The ids of the experiments that a list may show to the asker; `undefined` for one who may see all of the project. */
export function experimentsShownTo(asker: Asker): readonly string[] | undefined {
  const visible = accessOf(asker)?.visible('experiment') ?? 'all';
  return visible === 'all' ? undefined : [...visible];
}

/** Whether the asker may see an experiment. */
export function isShownTo(asker: Asker, { id, createdBy }: Pick<Experiment, 'id' | 'createdBy'>): boolean {
  const access = accessOf(asker);
  return !access || access.levelOn(`experiment/${id}`, createdBy) !== undefined;
}

/**
 * Throws unless the asker may add to the experiment of a name, or make one where there is none. To whom it is not shown
 * it looks like one that is not there.
 */
export function requireNamed(asker: Asker, known: Experiment | undefined): void {
  if (known && isShownTo(asker, known)) requireLevel(asker, known, 'EDIT');
  else accessOf(asker)?.requireProject('EDIT');
}
