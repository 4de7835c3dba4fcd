import type { Context } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import type { TrackingDeps } from '../services/deps.ts';
import { requireActiveExperiment, requireExperiment, visibleExperiments } from '../services/require.ts';
import { uuidOf } from '../services/runs.ts';
import { EVALUATION_LIMITS } from './model.ts';
import type { ScorerVersion } from './store/scorers.ts';
import * as store from './store/scorers.ts';

interface ScorerName {
  readonly experiment: string;
  readonly name: string;
}

/** Scorers: how answers are judged, as clients wrote it down, in numbered versions. Nothing of them is run here. */
export class ScorerService {
  readonly #deps: TrackingDeps;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
  }

  /** Adds a version. Numbers go on after those of deleted versions. */
  async register(context: Context, of: ScorerName, content: string): Promise<ScorerVersion> {
    const { db, system } = this.#deps;
    return db.transact(context, async (tx) => {
      await requireActiveExperiment(tx.db, context, { id: of.experiment, level: 'EDIT' });
      let scorer = await store.findScorer(tx.db, of);
      if (scorer === undefined) {
        if ((await store.countScorers(tx.db, of.experiment)) >= EVALUATION_LIMITS.scorers) {
          throw trackingErrors.limit(`an experiment has at most ${EVALUATION_LIMITS.scorers} scorers`);
        }
        scorer = uuidOf(system.ids.next('scorer'));
        await store.insertScorer(tx.db, { id: scorer, ...of });
      }
      const version = (await store.lastVersion(tx.db, scorer)) + 1;
      const made = { created_by: context.actor.id, created_at: tx.now };
      await store.insertScorerVersion(tx.db, { scorer, version, content, ...made });
      tx.audit(subjectOf(of), { version });
      return { scorer, ...of, version, content, createdAt: tx.now };
    });
  }

  /** The newest version of each scorer of the experiments that the asker may see. */
  async list(context: Context, experiments: readonly string[]): Promise<ScorerVersion[]> {
    const { reader } = this.#deps.db;
    const visible = await visibleExperiments(reader, context, experiments);
    const versions = await store.scorerVersions(reader, { experiments: visible });
    return [...new Map(versions.map((version) => [version.scorer, version])).values()];
  }

  /** All versions of a scorer. Errors: `tracking/scorer-not-found` when there are none. */
  async versions(context: Context, of: ScorerName): Promise<ScorerVersion[]> {
    const { reader } = this.#deps.db;
    await requireExperiment(reader, context, { id: of.experiment, level: 'READ' });
    const versions = await store.scorerVersions(reader, { experiments: [of.experiment], name: of.name });
    if (versions.length === 0) throw scorerNotFound(of);
    return versions;
  }

  /** One version, or the newest. */
  async get(context: Context, of: ScorerName, version?: number): Promise<ScorerVersion> {
    const versions = await this.versions(context, of);
    const found = version === undefined ? versions.at(-1) : versions.find((one) => one.version === version);
    if (!found) throw scorerNotFound(of, version);
    return found;
  }

  /** Deletes one version, or all. */
  async delete(context: Context, of: ScorerName, version?: number): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireExperiment(tx.db, context, { id: of.experiment, level: 'EDIT' });
      const known = await store.scorerVersions(tx.db, { experiments: [of.experiment], name: of.name });
      const gone = known.filter((one) => version === undefined || one.version === version);
      const [first] = gone;
      if (!first) throw scorerNotFound(of, version);
      const versions = gone.map((one) => one.version);
      await store.deleteScorerVersions(tx.db, { scorer: first.scorer, versions, at: tx.now });
      tx.audit(subjectOf(of), { deletedVersions: versions });
    });
  }
}

function subjectOf({ experiment, name }: ScorerName): string {
  return `scorer/${experiment}/${name}`;
}

function scorerNotFound({ experiment, name }: ScorerName, version?: number): Error {
  const which = version === undefined ? '' : ` and version ${version}`;
  return trackingErrors['scorer-not-found'](
    `Scorer with name '${name}'${which} not found for experiment ${experiment}.`,
  );
}
