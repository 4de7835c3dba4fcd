import type { Context, Tx } from '#platform/db';
import { trackingErrors } from '../errors.ts';
import { RUN_KEYS_MAX } from '../model.ts';
import * as logged from '../store/logged.ts';
import type { RunState } from '../store/runs.ts';
import { updateRun } from '../store/runs.ts';
import type { TrackingDeps } from './deps.ts';
import { type LoggedMetric, logMetrics } from './log-metrics.ts';
import { MetricWriter } from './metric-writer.ts';
import { type Asker, requireWritable } from './require.ts';

export interface Batch {
  readonly metrics: readonly LoggedMetric[];
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

/** The tag in which MLflow repeats the name of a run. */
export const RUN_NAME_TAG = 'mlflow.runName';

/** What is logged to runs. A run that has ended may still be logged to. */
export class LogService {
  readonly #deps: TrackingDeps;
  readonly #metrics: MetricWriter;

  constructor(deps: TrackingDeps) {
    this.#deps = deps;
    this.#metrics = new MetricWriter(deps.db);
  }

  /**
   * Logs a batch, all of it or nothing; logging it again changes nothing. Params and tags are audited; metrics alone
   * are recorded traffic and are not. Errors: `tracking/param-changed` when a param has another value,
   * `tracking/limit`, `tracking/run-deleted`.
   */
  async batch(context: Context, run: string, batch: Batch): Promise<void> {
    const keys = Object.keys(batch.params).length + Object.keys(batch.tags).length;
    if (keys === 0) {
      await this.#metrics.log(context, run, batch.metrics);
      return;
    }
    await this.#deps.db.transact(context, async (tx) => {
      await logInto(tx, context, await requireWritable(tx.db, context, run), batch);
    });
  }

  async deleteTag(context: Context, run: string, key: string): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      await requireWritable(tx.db, context, run);
      if (!(await logged.dropTag(tx.db, run, key))) {
        throw trackingErrors['tag-not-found'](`No tag with name: ${key} in run with id ${run}`);
      }
      tx.audit(`tracking-run/${run}`, { deletedTag: key });
    });
  }

  /** Replaces one tag by what `change` makes of the value it has, in one transaction. */
  async changeTag(
    context: Context,
    run: string,
    { key, change }: { readonly key: string; readonly change: (before: string | undefined) => string },
  ): Promise<void> {
    await this.#deps.db.transact(context, async (tx) => {
      const state = await requireWritable(tx.db, context, run);
      const before = (await logged.keyedOf(tx.db, 'tracking_tag', run, [key])).get(key);
      await logInto(tx, context, state, { metrics: [], params: {}, tags: { [key]: change(before) } });
    });
  }
}

/** Logs a batch with params or tags within a transaction, and audits it. */
export async function logInto(tx: Tx, asker: Asker, run: RunState, { metrics, params, tags }: Batch): Promise<void> {
  await logParams(tx, run.id, params);
  await logTags(tx, run, tags);
  await logMetrics(tx, [{ run, asker, metrics }]);
  tx.audit(`tracking-run/${run.id}`, { params: Object.keys(params), tags: Object.keys(tags), metrics: metrics.length });
}

async function logParams(tx: Tx, run: string, params: Readonly<Record<string, string>>): Promise<void> {
  const keys = Object.keys(params);
  if (keys.length === 0) return;
  const known = await logged.keyedOf(tx.db, 'tracking_param', run, keys);
  const fresh: [string, string][] = [];
  for (const [key, value] of Object.entries(params)) {
    const before = known.get(key);
    if (before === undefined) fresh.push([key, value]);
    else if (before !== value) throw paramChanged(run, { key, before, value });
  }
  if (fresh.length === 0) return;
  await logged.putKeyed(tx.db, 'tracking_param', run, Object.fromEntries(fresh));
  await requireRoom(tx, run, 'tracking_param');
}

function paramChanged(run: string, { key, before, value }: { key: string; before: string; value: string }): Error {
  return trackingErrors['param-changed'](
    `Changing param values is not allowed. Param with key='${key}' was already logged with ` +
      `value='${before.slice(0, 200)}' for run ID='${run}'. Attempted logging new value '${value.slice(0, 200)}'.`,
  );
}

async function logTags(tx: Tx, run: RunState, tags: Readonly<Record<string, string>>): Promise<void> {
  const name = Object.hasOwn(tags, RUN_NAME_TAG) ? tags[RUN_NAME_TAG] : undefined;
  await logged.putKeyed(tx.db, 'tracking_tag', run.id, tags);
  if (name !== undefined && name !== run.name) await updateRun(tx.db, run.id, { name });
  if (Object.keys(tags).length > 0) await requireRoom(tx, run.id, 'tracking_tag');
}

export async function requireRoom(tx: Tx, run: string, table: logged.KeyedTable): Promise<void> {
  if ((await logged.countKeyed(tx.db, table, run)) <= RUN_KEYS_MAX) return;
  const what = table === 'tracking_param' ? 'params' : 'tags';
  throw trackingErrors.limit(`run '${run}' would have more than ${RUN_KEYS_MAX} ${what}`);
}
