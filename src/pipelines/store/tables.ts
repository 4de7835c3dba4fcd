import type { Kysely } from 'kysely';
import type { AnyTables } from '#ports/sql';

export interface Tables {
  readonly pipeline: { name: string; generation: number; spec: string };
  /** Each declaration of a pipeline, which runs that were started under it go on to use. */
  readonly pipeline_generation: { name: string; generation: number; spec: string };
  readonly pipeline_run: {
    id: string;
    pipeline: string;
    generation: number;
    project: string | null;
    status: string;
    params: string;
    seed: number;
    code: string | null;
    cause: string;
    created_at: number;
    started_at: number | null;
    finished_at: number | null;
    reason: string | null;
    outputs: string;
    inputs: string;
    /** The text that runs of one key share. */
    lane: string | null;
    priority: number;
    admitted_at: number | null;
    paused_at: number | null;
    deadline_at: number | null;
    origin: string | null;
    partition_key: string | null;
    /** The run whose cached work it does again, to compare. */
    verifies: string | null;
    late_at: number | null;
    late_since: number | null;
    /** The run that it is a step of, and which. */
    parent_run: string | null;
    parent_step: string | null;
  };
  readonly pipeline_step: {
    run: string;
    name: string;
    pipeline: string;
    position: number;
    status: string;
    needs: string;
    epoch: number;
    retries: number;
    failures: number;
    losses: number;
    ready_at: number | null;
    reason: string | null;
    labels: string;
    definition: string;
    inputs: string | null;
    cache_key: string | null;
    ingredients: string | null;
    keyed_at: number | null;
    started_at: number | null;
    finished_at: number | null;
    progress: string | null;
    metrics: string;
    outputs: string;
    result: string;
    cached_from: string | null;
    /** What decides where it may run, as canonical JSON; null while its run is paused. */
    class: string | null;
    class_paused: string | null;
    /** The negated priority of its run, so that an index serves the highest first. */
    rank: number;
    resources: string;
    pool: string | null;
    pool_slots: number;
    on_failure: number;
    preemptible: number;
    preemptions: number;
    /** Its class once it is pre-emptible no more. */
    class_after: string | null;
    within_ms: number | null;
    deadline_at: number | null;
    /** The step that this is a unit of. */
    parent: string | null;
    /** The names of the steps that need it, as JSON; null where that is not known. */
    dependants: string | null;
    /** The longest pause before another attempt, where it declares one. */
    pause_max_ms: number | null;
    /** The type of event that it waits for. */
    awaits: string | null;
  };
  readonly pipeline_attempt: {
    id: string;
    run: string;
    step: string;
    epoch: number;
    worker: string;
    instance: string;
    status: string;
    started_at: number;
    lease_until: number;
    finished_at: number | null;
    error: string | null;
    usage: string | null;
    executor: string | null;
    job: string | null;
  };
  readonly pipeline_verification: {
    run: string;
    step: string;
    cache_key: string;
    of_run: string;
    of_step: string;
    at: number;
    differences: string;
  };
  readonly pipeline_log: { run: string; step: string; position: number; at: number; stream: string; text: string };
  readonly pipeline_cache: {
    cache_key: string;
    run: string;
    step: string;
    created_at: number;
    metrics: string;
    outputs: string;
    result: string;
  };
}

/** A transaction's handle, or a reader. */
export type Db = Kysely<AnyTables>;

export function tables(db: Db): Kysely<Tables> {
  return db;
}

/** Text columns of PostgreSQL cannot hold U+0000, which processes may well write. */
export function storableText(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\uFFFD') : text;
}
