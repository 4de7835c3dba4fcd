/**
 * What is recorded of pipelines: the tables, the events and the audit log of one database, and nothing else. The
 * simulation and the crash tests judge by it alone.
 */
export interface History {
  readonly runs: readonly RunRow[];
  readonly steps: readonly StepRow[];
  readonly attempts: readonly AttemptRow[];
  readonly events: readonly EventRow[];
  readonly audit: readonly AuditRow[];
}

export interface RunRow {
  readonly id: string;
  readonly pipeline: string;
  readonly status: string;
  readonly cause: string;
  readonly outputs: string;
  /** What it was given, as JSON. */
  readonly inputs: string;
  readonly parent_run: string | null;
  readonly parent_step: string | null;
}

export interface StepRow {
  readonly run: string;
  readonly name: string;
  /** The step that it is a unit of. */
  readonly parent: string | null;
  readonly status: string;
  readonly needs: string;
  readonly epoch: number;
  readonly retries: number;
  readonly failures: number;
  readonly losses: number;
  readonly preemptible: number;
  readonly preemptions: number;
  readonly class: string | null;
  readonly class_after: string | null;
  readonly deadline_at: number | null;
  readonly finished_at: number | null;
  readonly ready_at: number | null;
  readonly reason: string | null;
  readonly definition: string;
  readonly inputs: string | null;
  readonly outputs: string;
  readonly cache_key: string | null;
  readonly cached_from: string | null;
}

export interface AttemptRow {
  readonly id: string;
  readonly run: string;
  readonly step: string;
  readonly epoch: number;
  readonly worker: string;
  readonly status: string;
  readonly started_at: number;
  readonly lease_until: number;
  readonly finished_at: number | null;
  readonly error: string | null;
}

export interface EventRow {
  readonly seq: number;
  readonly type: string;
  readonly subject: string;
  readonly data: string;
}

export interface AuditRow {
  readonly seq: number;
  readonly action: string;
  readonly subject: string;
  readonly detail: string;
}

/** One query for each part, the same text on SQLite and on PostgreSQL. */
export const HISTORY_QUERIES = {
  runs: 'select id, pipeline, status, cause, outputs, inputs, parent_run, parent_step from pipeline_run order by id',
  steps:
    'select run, name, parent, status, needs, epoch, retries, failures, losses, preemptible, preemptions, ' +
    'class, class_after, deadline_at, finished_at, ready_at, reason, definition, inputs, outputs, ' +
    ' cache_key, cached_from from pipeline_step order by run, position',
  attempts:
    'select id, run, step, epoch, worker, status, started_at, lease_until, finished_at, error from pipeline_attempt ' +
    'order by run, step, epoch',
  events: "select seq, type, subject, data from event where type like 'pipeline.%' order by seq",
  audit: "select seq, action, subject, detail from audit where subject like 'pipeline-run/%' order by seq",
} as const satisfies Record<keyof History, string>;

export const FINAL_RUN: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);
export const FINAL_STEP: ReadonlySet<string> = new Set(['succeeded', 'cached', 'failed', 'skipped', 'cancelled']);

/** Rows of one history by the run they belong to, so that a check of a run does not look at all. */
export function byRun<Row extends { readonly run: string }>(rows: readonly Row[]): Map<string, Row[]> {
  return Map.groupBy(rows, (row) => row.run);
}

/** The run that an event or an audit row is about. */
export const runOf = ({ subject }: { readonly subject: string }): string => subject.slice('pipeline-run/'.length);

/** Whether a step is the run of another pipeline, or is divided into such. */
export const isNested = ({ definition }: Pick<StepRow, 'definition'>): boolean => formOf(definition).isNested;

/** Whether a step was divided into units, which do its work. */
export const isDivided = ({ definition }: Pick<StepRow, 'definition'>): boolean => formOf(definition).isDivided;

interface Form {
  readonly isNested: boolean;
  readonly isDivided: boolean;
}

/** By definition: after every commit each step is asked about several times, and few definitions differ. */
const forms = new Map<string, Form>();

function formOf(definition: string): Form {
  const known = forms.get(definition);
  if (known) return known;
  const { pipeline, map } = JSON.parse(definition);
  const form = { isNested: pipeline !== undefined, isDivided: map !== undefined };
  forms.set(definition, form);
  return form;
}
