import type { Json } from '#core/json';
import { RESULT_LENGTH_MAX } from '../contract.ts';
import { outputName } from '../outputs.ts';
import type { StoredRun } from '../store/runs.ts';
import { listSteps, type StepDefinition, type StepProduct } from '../store/steps.ts';
import type { Db } from '../store/tables.ts';

/**
 * What a step has of the run that it is: the outputs that it names, and the results of the steps of that run by their
 * names, if they are not too large together. Else why it failed.
 */
export async function nestedProduct(
  db: Db,
  { run, status, reason, outputs }: StoredRun,
  definition: StepDefinition,
): Promise<{ readonly product: StepProduct } | { readonly reason: string }> {
  if (status !== 'succeeded') return { reason: `run ${run} ${status === 'failed' ? '' : 'was '}${status}: ${reason}` };
  const declared = definition.outputs.map(outputName);
  const missing = declared.filter((name) => !outputs[name]);
  if (missing.length > 0) return { reason: `missing-output: run ${run} did not write ${missing.join(', ')}` };
  const steps = await listSteps(db, run);
  const results = steps.flatMap(({ step, result }): [string, Json][] => (result === null ? [] : [[step, result]]));
  const result = results.length === 0 ? null : Object.fromEntries(results);
  const isSmall = JSON.stringify(result).length <= RESULT_LENGTH_MAX;
  const taken = declared.flatMap((name) => (outputs[name] ? [[name, outputs[name]] as const] : []));
  return { product: { outputs: Object.fromEntries(taken), result: isSmall ? result : null, metrics: {} } };
}
