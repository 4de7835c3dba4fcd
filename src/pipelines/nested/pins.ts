import type { Tx } from '#platform/db';
import { pipelineErrors } from '../errors.ts';
import type { PipelineSpec } from '../spec.ts';
import { findPipeline } from '../store/runs.ts';
import { containmentOf, type FindPipeline } from './containment.ts';
import { findGeneration } from './store.ts';

/** Which pipeline a step runs. */
export interface NestedDefinition {
  readonly name: string;
  readonly generation: number;
  /** The generations of all pipelines that it contains, directly or not. */
  readonly generations: Readonly<Record<string, number>>;
  /** How many steps a run of it has, with those of the runs inside. */
  readonly steps?: number | undefined;
  /** How many steps all units of it may have together. Units inside a unit share what that one has. */
  readonly budget?: number | undefined;
  /** The earlier run of it that is resumed. */
  readonly resumes?: string | undefined;
  /** Of a step that is divided: the earlier run of the pipeline around it, whose units are resumed. */
  readonly resumesUnitsOf?: string | undefined;
}

/**
 * The pipelines that steps of a pipeline run, by name, each with the generations of what it contains in turn: a run
 * uses them to its end, whatever is declared meanwhile. Errors: `pipelines/not-nestable`.
 */
export async function pinNested(
  tx: Pick<Tx, 'db'>,
  of: {
    readonly name: string;
    readonly spec: PipelineSpec;
    /** Those that a run which this one is a step of uses. */
    readonly generations?: Readonly<Record<string, number>> | undefined;
    readonly budget?: number | undefined;
  },
): Promise<ReadonlyMap<string, NestedDefinition>> {
  const names = new Set(of.spec.steps.flatMap(({ pipeline }) => pipeline ?? []));
  if (names.size === 0) return new Map();
  const contained = await containmentOf(of.name, of.spec, pinnedBy(tx, of.generations));
  if ('problem' in contained) throw pipelineErrors['not-nestable'](contained.problem);
  const generations = Object.fromEntries(contained.generations);
  const { steps } = contained;
  const pinned = (name: string): NestedDefinition => ({
    ...{ name, generation: generations[name] ?? 0, generations },
    ...{ steps: steps.get(name), budget: of.budget },
  });
  return new Map([...names].map((name) => [name, pinned(name)]));
}

/** Pipelines under the generations that are told, else as they are declared. */
function pinnedBy(tx: Pick<Tx, 'db'>, generations: Readonly<Record<string, number>> | undefined): FindPipeline {
  return async (name) => {
    const generation = generations?.[name];
    if (generation === undefined) return findPipeline(tx.db, name);
    const spec = await findGeneration(tx.db, name, generation);
    return spec && { generation, spec };
  };
}
