import { digestOf } from '#core/hash';
import type { Context } from '#platform/db';
import type { RunStatus } from '../contract.ts';
import { trackingErrors } from '../errors.ts';
import type { FoundPage } from '../store/found.ts';
import { putKeyed } from '../store/logged.ts';
import { countRuns, type RunQuery, searchRunIds } from '../store/run-search.ts';
import * as runs from '../store/runs.ts';
import { artifactUriOf, type TrackingDeps } from './deps.ts';
import { RUN_NAME_TAG } from './logging.ts';
import { requireActiveExperiment, requireRun, requireWritable, visibleExperiments } from './require.ts';
import { madeUpName } from './run-name.ts';

export interface MlflowRunDraft {
  readonly experiment: string;
  readonly name?: string | undefined;
  readonly userId?: string | undefined;
  readonly startedAt?: number | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** Runs as MLflow's clients make, change and search them, within the project of the caller. */
export class RunService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /** Starts a run. Its name is repeated in the tag mlflow.runName, from where it comes when it is given only there. */
  async create(context: Context, draft: MlflowRunDraft): Promise<runs.RunWithLineage> {
    const { db, system } = this.#deps;
    const id = uuidOf(system.ids.next('run'));
    const tagged = Object.hasOwn(draft.tags, RUN_NAME_TAG) ? draft.tags[RUN_NAME_TAG] : undefined;
    if (draft.name && tagged && draft.name !== tagged) {
      throw trackingErrors.invalid(
        `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values ` +
          `(run_name='${draft.name}', mlflow.runName='${tagged}').`,
      );
    }
    const name = draft.name || tagged || madeUpName(system.random);
    return db.transact(context, async (tx) => {
      const experiment = await requireActiveExperiment(tx.db, context, { id: draft.experiment, level: 'EDIT' });
      const run = {
        id,
        name,
        startedBy: context.actor.id,
        startedAt: draft.startedAt ?? tx.now,
        cause: { kind: 'user', id: context.actor.id, depth: 0 },
        userId: draft.userId ?? '',
        artifactUri: artifactUriOf(experiment.artifactLocation, id),
      } as const;
      const tags = { ...draft.tags, [RUN_NAME_TAG]: name };
      await Promise.all([
        runs.insertRun(tx.db, { ...run, experiment: experiment.id, source: undefined }),
        putKeyed(tx.db, 'tracking_tag', id, tags),
      ]);
      tx.audit(`tracking-run/${id}`, { experiment: experiment.name, name });
      // What a new run is, is known: clients wait for this answer before they do anything else.
      return { ...NEW_RUN, ...run, experiment: { id: experiment.id, name: experiment.name }, tags: sortedByKey(tags) };
    });
  }

  async get(context: Context, id: string): Promise<runs.RunWithLineage> {
    const { reader } = this.#deps.db;
    await requireRun(reader, context, { id, level: 'READ' });
    const [run] = await runs.runsOf(reader, [id]);
    if (!run) throw trackingErrors['run-not-found'](`Run with id=${id} not found`);
    return run;
  }

  /** Changes status, end and name, each when given. Any status may follow any other, as clients resume runs. */
  async update(
    context: Context,
    id: string,
    change: {
      readonly status?: RunStatus | undefined;
      readonly endedAt?: number | undefined;
      readonly name?: string | undefined;
    },
  ): Promise<runs.RunWithLineage> {
    await this.#deps.db.react(context, async (tx) => {
      const before = await requireWritable(tx.db, context, id);
      const name = change.name === before.name ? undefined : change.name;
      const status = change.status === before.status ? undefined : change.status;
      if (name === undefined && status === undefined && change.endedAt === undefined) return;
      await runs.updateRun(tx.db, id, { status, endedAt: change.endedAt, name });
      if (name !== undefined) await putKeyed(tx.db, 'tracking_tag', id, { [RUN_NAME_TAG]: name });
      tx.audit(`tracking-run/${id}`, {
        ...(status === undefined ? {} : { status }),
        ...(name === undefined ? {} : { name }),
        ...(change.endedAt === undefined ? {} : { endedAt: change.endedAt }),
      });
    });
    return this.get(context, id);
  }

  async delete(context: Context, id: string): Promise<void> {
    await this.#deps.db.react(context, async (tx) => {
      const found = await requireRun(tx.db, context, { id, level: 'EDIT' });
      if (found.lifecycle === 'deleted') return;
      await runs.setRunDeleted(tx.db, id, tx.now);
      tx.audit(`tracking-run/${id}`);
    });
  }

  /** Errors: `tracking/experiment-deleted`, as the run would otherwise be the only one of a deleted experiment. */
  async restore(context: Context, id: string): Promise<void> {
    await this.#deps.db.react(context, async (tx) => {
      const found = await requireRun(tx.db, context, { id, level: 'EDIT' });
      if (found.lifecycle === 'active') return;
      await requireActiveExperiment(tx.db, context, { id: found.experiment, level: 'EDIT' });
      await runs.setRunDeleted(tx.db, id, null);
      tx.audit(`tracking-run/${id}`);
    });
  }

  /** Experiments that do not exist, or not in this project, have no runs. */
  async search(context: Context, query: RunQuery): Promise<FoundPage<runs.RunWithLineage>> {
    const { db } = this.#deps;
    const experiments = await visibleExperiments(db.reader, context, query.experiments);
    if (experiments.length === 0) return { items: [], next: undefined };
    const found = await searchRunIds(db.reader, db.dialect, { ...query, experiments });
    return { items: await runs.runsOf(db.reader, found.items), next: found.next };
  }

  async count(context: Context, query: Pick<RunQuery, 'experiments' | 'filter' | 'lifecycle'>): Promise<number> {
    const { db } = this.#deps;
    const experiments = await visibleExperiments(db.reader, context, query.experiments);
    return experiments.length === 0 ? 0 : countRuns(db.reader, db.dialect, { ...query, experiments });
  }
}

const NEW_RUN = {
  status: 'running',
  lifecycle: 'active',
  endedAt: null,
  source: null,
  params: {},
  metrics: {},
  lineage: runs.NO_LINEAGE,
} as const;

function sortedByKey(tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(tags).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A version 4 UUID in hexadecimal, which is what ids of MLflow's runs are, made of an id that is unique already. */
export function uuidOf(unique: string): string {
  const hex = digestOf(unique).slice('sha256:'.length);
  const variant = '89ab'[Number.parseInt(hex[16] ?? '0', 16) % 4];
  return `${hex.slice(0, 12)}4${hex.slice(13, 16)}${variant}${hex.slice(17, 32)}`;
}
