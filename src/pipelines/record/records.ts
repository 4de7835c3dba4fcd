import { digestOf } from '#core/hash';
import { canonicalJson } from '#core/json';
import type { Context, Tx } from '#platform/db';
import type { Consumer } from '#platform/events';
import { pipelineErrors } from '../errors.ts';
import { pipelineRunFinished } from '../events.ts';
import { isFinalRun } from '../model.ts';
import { runSubject } from '../service/advance.ts';
import { freshState } from '../service/left.ts';
import type { PipelinesDeps } from '../service/service.ts';
import { begin, type NewStep } from '../service/start-run.ts';
import { definitionsOf, productsOf } from '../store/kept-steps.ts';
import { findRun, type StoredRun } from '../store/runs.ts';
import { stepStates } from '../store/step-state.ts';
import type { StepDefinition } from '../store/steps.ts';
import type { Db } from '../store/tables.ts';
import { compareRecords } from './compare.ts';
import type { Comparison, RecordView, RunDifference, RunRecord } from './contract.ts';
import { differenceOf } from './difference.ts';
import { missingOf } from './missing.ts';
import { differingUnits, recordOf, recordView } from './record.ts';
import { findRecord, insertRecord, originOf, stepKeys } from './store.ts';

/** Records of runs, and runs that are made from them again. */
export class Records {
  readonly #deps: PipelinesDeps;

  constructor(deps: PipelinesDeps) {
    this.#deps = deps;
  }

  view(run: string): Promise<RecordView> {
    return recordView(this.#deps.db.reader, run);
  }

  /** Seals the record of a run that is over: what it says then is kept word for word, and its digest is audited. */
  consumer(): Consumer {
    return {
      name: 'pipelines.records',
      types: [pipelineRunFinished.type],
      action: 'pipeline-run.seal',
      async handle(tx, event) {
        const { run } = pipelineRunFinished.read(event);
        if (await findRecord(tx.db, run)) return;
        const text = canonicalJson(await recordOf(tx.db, run));
        const digest = digestOf(text);
        await insertRecord(tx.db, run, { digest, text, at: tx.now });
        tx.audit(runSubject(run), { record: digest });
      },
    };
  }

  /**
   * Starts a run that does every step of another again: the same code, commands, parameters, environment variables,
   * seed and pinned inputs, and no work from the cache. Decisions of people and waits are not repeated.
   */
  async reproduce(context: Context, runId: string): Promise<{ run: string; of: string }> {
    const { db, blobs, system } = this.#deps;
    const before = await requireOver(db.reader, runId);
    const definitions = await definitionsOf(db.reader, runId);
    const missing = await missingOf(blobs, { code: before.code, definitions });
    if (missing.length > 0) {
      throw pipelineErrors['not-reproducible'](`run '${runId}' cannot be done again: ${missing.join('; ')}`);
    }
    const started = await db.transact(context, async (tx) => {
      const run = await requireOver(tx.db, runId);
      const { steps, taken } = await stepsAgain(tx, runId);
      const { source } = await originOf(tx.db, runId);
      const fresh = { ...run, ...UNSET, run: system.ids.next('prun'), createdAt: tx.now, origin: runId };
      const cause = { kind: 'user', id: context.actor.id, depth: 0 } as const;
      return begin(tx, { ...fresh, cause }, { steps, taken, source, reproduces: runId });
    });
    return { run: started.run, of: runId };
  }

  /** How a reproduction and what it reproduces compare, as far as it has come. */
  async compare(runId: string): Promise<Comparison> {
    const { reader } = this.#deps.db;
    const { record: now } = await recordView(reader, runId);
    if (now.reproduces === null) {
      throw pipelineErrors['run-not-so'](`run '${runId}' reproduces no other: start one with kedge reproduce <run>`);
    }
    const { record: before } = await recordView(reader, now.reproduces);
    const steps = compareRecords(before, now);
    await nameUnits(reader, { before, now }, steps);
    const over = isFinalRun(now.status);
    const same = over ? steps.every(({ verdict }) => verdict !== 'different' && verdict !== 'pending') : null;
    return { run: runId, of: before.run, status: now.status, same, steps };
  }

  /** How any two runs differ. */
  async difference(runId: string, otherId: string): Promise<RunDifference> {
    const { reader } = this.#deps.db;
    const compared = async (run: string) => ({
      view: await recordView(reader, run),
      keys: await stepKeys(reader, run),
    });
    const [before, now] = [await compared(runId), await compared(otherId)];
    const difference = differenceOf(before, now);
    await nameUnits(reader, { before: before.view.record, now: now.view.record }, difference.steps);
    return difference;
  }
}

/** Names the units that differ of divided steps, where a product does. */
async function nameUnits(
  db: Db,
  { before, now }: { readonly before: RunRecord; readonly now: RunRecord },
  steps: readonly Pick<Comparison['steps'][number], 'step' | 'products'>[],
): Promise<void> {
  for (const { step, products } of steps) {
    for (const product of products) {
      if (product.same || !isDivided(now, step, product.output)) continue;
      product.units = await differingUnits(db, { before: before.run, now: now.run, step, output: product.output });
    }
  }
}

const UNSET = {
  ...{ status: 'queued' as const, startedAt: null, finishedAt: null, reason: null, outputs: {} },
  ...{ admittedAt: null, pausedAt: null, deadlineAt: null },
};

/** The steps of a run as they were declared then, with the cache off, and those that are taken over as they are. */
async function stepsAgain(tx: Tx, runId: string) {
  const definitions = new Map((await definitionsOf(tx.db, runId)).map((found) => [found.name, found.definition]));
  const steps = (await stepStates(tx.db, runId)).flatMap((state): NewStep[] => {
    const definition = definitions.get(state.name);
    return definition ? [{ state: freshState(state), definition: { ...definition, cache: false } }] : [];
  });
  const products = await productsOf(tx.db, runId);
  const taken = new Map([...products].filter(([name]) => isWaiting(definitions.get(name))));
  return { steps, taken };
}

function isWaiting(definition: StepDefinition | undefined): boolean {
  return definition?.approval !== undefined || definition?.wait !== undefined;
}

function isDivided(record: RunRecord, step: string, output: string): boolean {
  return record.steps.find((found) => found.step === step)?.outputs[output]?.units !== undefined;
}

async function requireOver(db: Db, runId: string): Promise<StoredRun> {
  const run = await findRun(db, runId);
  if (!run) throw pipelineErrors['run-not-found'](`there is no pipeline run '${runId}'`);
  if (isFinalRun(run.status)) return run;
  throw pipelineErrors['run-not-so'](`run '${runId}' is ${run.status}: wait for its end`);
}
