import type { Tx } from '#platform/db';
import { pipelineErrors } from '../errors.ts';
import type { PipelineSpec } from '../spec.ts';
import { findPipeline } from '../store/runs.ts';
import { containmentOf, fitProblem } from './containment.ts';

/** Refuses a pipeline that cannot run those which it says: `pipelines/not-nestable`. */
export async function requireNestable(tx: Pick<Tx, 'db'>, name: string, spec: PipelineSpec): Promise<void> {
  const inner = new Map<string, PipelineSpec>();
  for (const child of spec.steps.flatMap(({ pipeline }) => pipeline ?? [])) {
    const found = await findPipeline(tx.db, child);
    if (found) inner.set(child, found.spec);
  }
  if (inner.size === 0) return;
  const contained = await containmentOf(name, spec, (found) => findPipeline(tx.db, found));
  const problem = 'problem' in contained ? contained.problem : fitProblem(spec, inner);
  if (problem) throw pipelineErrors['not-nestable'](`pipeline '${name}': ${problem}`);
}
