import { z } from 'zod';
import { artifactPathSchema } from '../contract.ts';
import { checked, trackingErrors } from '../errors.ts';

/**
 * Whose file an artifact is: of a run, of a logged model, of a trace, or of the experiment itself. The id of a trace is
 * `<experiment>/<trace>`, because that it is written under its experiment is all that is known of it.
 */
export interface ArtifactOwner {
  readonly kind: 'run' | 'model' | 'trace' | 'experiment';
  readonly id: string;
}

/** A file, or a folder, of an owner. An empty `path` is everything the owner has. */
export interface ArtifactPlace {
  readonly owner: ArtifactOwner;
  readonly path: string;
}

const IDS = {
  run: z.string().regex(/^[A-Za-z0-9][\w-]{0,255}$/),
  model: z.string().regex(/^m-[\w-]{1,254}$/),
  trace: z.string().regex(/^tr-[\w-]{1,254}$/),
  experiment: z.string().regex(/^\d{1,20}$/),
} as const;

/**
 * Reads a path below an artifact root in MLflow's layout:
 *
 * - `<experiment>/<run>/artifacts[/<path>]`
 * - `<experiment>/models/<model>/artifacts[/<path>]`
 * - `<experiment>/traces/<trace>/artifacts[/<path>]`
 * - `<experiment>[/<path>]` for anything else, which then belongs to the experiment
 *
 * Errors: `tracking/invalid`, also for every path that a file system or a second decoding could take elsewhere.
 */
export function artifactPlace(rooted: string): ArtifactPlace {
  const whole = checked(artifactPathSchema, rooted, 'path');
  const names = whole.split('/');
  const experiment = names[0] ?? '';
  if (!IDS.experiment.safeParse(experiment).success) {
    throw trackingErrors.invalid(`Invalid path: '${whole.slice(0, 200)}' does not begin with the id of an experiment`);
  }
  const owned = { models: 'model', traces: 'trace' } as const;
  const folder = names[1] as keyof typeof owned;
  const kind = names.length >= 4 && Object.hasOwn(owned, folder) ? owned[folder] : 'run';
  const depth = kind === 'run' ? 1 : 2;
  const id = names[depth] ?? '';
  const isOwned = names[depth + 1] === 'artifacts' && IDS[kind].safeParse(id).success;
  const ownId = kind === 'trace' ? `${experiment}/${id}` : id;
  const owner: ArtifactOwner = isOwned ? { kind, id: ownId } : { kind: 'experiment', id: experiment };
  const path = names.slice(isOwned ? depth + 2 : 1).join('/');
  return { owner, path: path === '' ? '' : checked(artifactPathSchema, path, 'path') };
}

/** What an owner is called in the audit log. */
export function subjectOf(owner: ArtifactOwner): string {
  const kinds = { run: 'tracking-run', model: 'logged-model', trace: 'trace', experiment: 'experiment' } as const;
  return `${kinds[owner.kind]}/${owner.id}`;
}
