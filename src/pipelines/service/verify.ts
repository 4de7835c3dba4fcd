import { assert } from '#core/assert';
import { digestOfJson } from '#core/hash';
import type { Random } from '#core/random';
import type { Tx } from '#platform/db';
import type { FinishBody } from '../contract.ts';
import { pipelineErrors } from '../errors.ts';
import { pipelineCacheDiffers } from '../events.ts';
import type { StoredAttempt } from '../store/attempts.ts';
import { cachedSteps, type KeptStep } from '../store/kept-steps.ts';
import { findLeasable } from '../store/leasable.ts';
import type { StoredRun } from '../store/runs.ts';
import { definitionOf } from '../store/steps.ts';
import { insertVerification } from '../store/verifications.ts';
import { runSubject } from './advance.ts';
import { inputsFor } from './inputs.ts';
import type { PipelinesDeps } from './service.ts';
import { begin, type NewStep } from './start-run.ts';

const UNTRIED = { losses: 0, preemptions: 0, deadlineAt: null, readyAt: null, reason: null };

export interface VerifyRequest {
  /** Steps and units to do again; without any, a sample of what came from the cache. */
  readonly steps: readonly string[];
  /** The size of the sample. */
  readonly sample: number;
}

/**
 * Starts a run that does steps of another again, each with the inputs that it had there, and compares what they write
 * with what was taken from the cache. Nothing that it writes gets into the cache.
 */
export async function startVerification(
  tx: Tx,
  { run, further, deps }: { readonly run: StoredRun; readonly further: StoredRun; readonly deps: PipelinesDeps },
  request: VerifyRequest,
): Promise<StoredRun> {
  const chosen = choose(run, await cachedSteps(tx.db, run.run), { request, random: deps.system.random });
  const steps: NewStep[] = [];
  const taken = new Set<string>();
  for (const kept of chosen) {
    const { step, state } = kept;
    const found = await findLeasable(tx.db, { run: run.run, step });
    assert(found, `run ${run.run} has no step '${step}'`);
    const { definition } = found;
    const inputs = await inputsFor(tx, { run: run.run, ...found }, deps);
    const name = freeName(step, taken);
    steps.push({
      state: { ...state, name, status: 'queued', needs: [], epoch: 0, failures: 0, ...UNTRIED },
      definition: {
        ...definition,
        ...{ cache: false, when: undefined, pinned: inputs },
        verifies: { run: run.run, step, key: kept.key, outputs: kept.outputs, result: digestOfJson(kept.result) },
      },
    });
  }
  return begin(tx, { ...further, verifies: run.run, partition: null }, { steps, taken: new Map() });
}

/** Keeps what a step that verifies has found: the outputs that have other digests than those in the cache. */
export async function noteVerification(
  tx: Tx,
  { run, step }: StoredAttempt,
  report: FinishBody & { status: 'succeeded' },
): Promise<void> {
  const { verifies } = await definitionOf(tx.db, run, step);
  if (!verifies) return;
  const { key, ...of } = verifies;
  const changed = Object.entries(of.outputs).filter(([name, { digest }]) => report.outputs[name]?.digest !== digest);
  const sameResult = digestOfJson(report.result ?? null) === of.result;
  const differences = [...changed.map(([name]) => name), ...(sameResult ? [] : ['result'])];
  const equal = differences.length === 0;
  const found = { run, step, of: { run: of.run, step: of.step }, at: tx.now, equal, differences };
  await insertVerification(tx.db, { ...found, key });
  if (!equal)
    tx.emit(pipelineCacheDiffers.draft(runSubject(of.run), { ...found.of, key, verifiedBy: run, differences }));
}

function choose(
  { run }: StoredRun,
  candidates: readonly KeptStep[],
  { request, random }: { readonly request: VerifyRequest; readonly random: Random },
): readonly KeptStep[] {
  if (request.steps.length > 0) {
    return request.steps.map((name) => {
      const found = candidates.find(({ step }) => step === name);
      if (found) return found;
      throw pipelineErrors['run-not-so'](`step '${name}' of run '${run}' has no work that is in the cache`);
    });
  }
  const hits = candidates.filter(({ state }) => state.status === 'cached');
  if (hits.length === 0) throw pipelineErrors['run-not-so'](`no step of run '${run}' was taken from the cache`);
  const chosen: KeptStep[] = [];
  while (chosen.length < request.sample && hits.length > 0) {
    chosen.push(...hits.splice(Math.floor(random.next() * hits.length), 1));
  }
  return chosen;
}

/** A name for the step: a unit stands for itself here, so its colon goes. */
function freeName(step: string, taken: Set<string>): string {
  const wanted = step.replace(':', '-');
  for (let n = 1; ; n++) {
    const name = n === 1 ? wanted : `${wanted}-${n}`;
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}
