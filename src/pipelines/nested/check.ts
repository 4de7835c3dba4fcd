import type { Tx } from '#platform/db';
import { pipelineErrors } from '../errors.ts';
import type { PipelineSpec } from '../spec.ts';
import { findPipeline } from '../store/runs.ts';
import { containmentOf } from './containment.ts';

/** Refuses a pipeline that cannot run those which it says: `pipelines/not-nestable`. */
export async function requireNestable(tx: Pick<Tx, 'db'>, name: string, spec: PipelineSpec): Promise<void> {
  if (!spec.steps.some(({ pipeline }) => pipeline !== undefined)) return;
  const contained = await containmentOf(name, spec, (found) => findPipeline(tx.db, found));
  if ('problem' in contained) throw pipelineErrors['not-nestable'](`pipeline '${name}': ${contained.problem}`);
}
