import type { Readable } from 'node:stream';

/** What is read of MLflow's messages. A file store is told in the same words as a server tells it. */

export interface Pair {
  readonly key: string;
  readonly value?: string;
}

export interface SourceExperiment {
  readonly experiment_id: string;
  readonly name: string;
  readonly lifecycle_stage?: string;
  readonly creation_time?: number;
  readonly last_update_time?: number;
  readonly tags?: readonly Pair[];
}

export interface SourceMetric {
  readonly key: string;
  /** `NaN`, `Infinity` and `-Infinity` are texts. */
  readonly value?: number | string;
  readonly timestamp?: number;
  readonly step?: number;
  readonly run_id?: string;
  readonly dataset_name?: string;
  readonly dataset_digest?: string;
}

export interface SourceDataset {
  readonly tags?: readonly Pair[];
  readonly dataset: {
    readonly name: string;
    readonly digest: string;
    readonly source_type?: string;
    readonly source?: string;
    readonly schema?: string;
    readonly profile?: string;
  };
}

export interface SourceRun {
  readonly info: {
    readonly run_id: string;
    readonly run_name?: string;
    readonly experiment_id: string;
    readonly user_id?: string;
    readonly status?: string;
    readonly start_time?: number;
    readonly end_time?: number;
    readonly artifact_uri?: string;
    readonly lifecycle_stage?: string;
  };
  /** Of each metric the latest point. */
  readonly data?: {
    readonly params?: readonly Pair[];
    readonly tags?: readonly Pair[];
    readonly metrics?: readonly SourceMetric[];
  };
  readonly inputs?: {
    readonly dataset_inputs?: readonly SourceDataset[];
    readonly model_inputs?: readonly { readonly model_id: string }[];
  };
  readonly outputs?: { readonly model_outputs?: readonly { readonly model_id: string; readonly step?: number }[] };
}

export interface SourceLoggedModel {
  readonly info: {
    readonly model_id: string;
    readonly experiment_id: string;
    readonly name: string;
    readonly creation_timestamp_ms?: number;
    readonly last_updated_timestamp_ms?: number;
    readonly artifact_uri?: string;
    /** As a name, or as its number in MLflow's protocol. */
    readonly status?: string | number;
    readonly model_type?: string;
    readonly creator_id?: string;
    readonly source_run_id?: string;
    readonly tags?: readonly Pair[];
  };
  readonly data?: { readonly params?: readonly Pair[]; readonly metrics?: readonly SourceMetric[] };
}

export interface SourceRegisteredModel {
  readonly name: string;
  readonly creation_timestamp?: number;
  readonly last_updated_timestamp?: number;
  readonly user_id?: string;
  readonly description?: string;
  readonly tags?: readonly Pair[];
  readonly aliases?: readonly { readonly alias: string; readonly version: string }[];
}

export interface SourceVersion {
  readonly name: string;
  readonly version: string;
  readonly creation_timestamp?: number;
  readonly last_updated_timestamp?: number;
  readonly user_id?: string;
  readonly current_stage?: string;
  readonly description?: string;
  readonly source?: string;
  readonly run_id?: string;
  readonly run_link?: string;
  readonly status?: string;
  readonly status_message?: string;
  readonly tags?: readonly Pair[];
  readonly model_id?: string;
}

export interface SourceWebhook {
  readonly name: string;
  readonly url: string;
  readonly description?: string;
  readonly status?: string;
  readonly events: readonly { readonly entity: string; readonly action: string }[];
}

/** A trace without its spans, in the words of MLflow 3. */
export interface SourceTrace {
  readonly trace_id: string;
  readonly client_request_id?: string;
  /** ISO 8601, or epoch milliseconds. */
  readonly request_time?: string | number;
  /** As `1.5s`; a file store has milliseconds. */
  readonly execution_duration?: string;
  readonly execution_duration_ms?: number;
  readonly state?: 'STATE_UNSPECIFIED' | 'OK' | 'ERROR' | 'IN_PROGRESS';
  readonly request_preview?: string;
  readonly response_preview?: string;
  readonly trace_metadata?: Readonly<Record<string, string>>;
  readonly tags?: Readonly<Record<string, string>>;
  readonly assessments?: readonly SourceAssessment[];
}

interface SourceAssessmentError {
  readonly error_code?: string;
  readonly error_message?: string;
  readonly stack_trace?: string;
}

export interface SourceAssessment {
  readonly assessment_id: string;
  readonly assessment_name: string;
  readonly span_id?: string;
  readonly source?: { readonly source_type?: string; readonly source_id?: string };
  readonly create_time?: string;
  readonly last_update_time?: string;
  readonly feedback?: { readonly value?: unknown; readonly error?: SourceAssessmentError };
  readonly expectation?: { readonly value?: unknown; readonly serialized_value?: { readonly value: string } };
  readonly issue?: { readonly issue_name?: string };
  readonly error?: SourceAssessmentError;
  readonly rationale?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly overrides?: string;
  readonly valid?: boolean;
}

/** A trace as servers before MLflow 3 tell of it. */
export interface SourceTraceV2 {
  readonly request_id: string;
  readonly timestamp_ms?: number;
  readonly execution_time_ms?: number;
  readonly status?: string;
  readonly request_metadata?: readonly Pair[];
  readonly tags?: readonly Pair[];
}

/** What MLflow lets a role do with what a pattern names. */
export interface SourcePermission {
  readonly resource_type: string;
  readonly resource_pattern: string;
  readonly permission: string;
}

/** A user's own permissions are in a role as well, which nobody else has. */
export interface SourceUser {
  readonly username: string;
  readonly is_admin?: boolean;
  readonly roles?: readonly { readonly name: string; readonly permissions?: readonly SourcePermission[] }[];
}

/** Whose files. `uri` is where they are, as the source says. */
export interface SourceOwner {
  readonly kind: 'run' | 'model';
  readonly id: string;
  readonly uri: string;
}

export interface SourceFile {
  readonly path: string;
  /** Unknown where the source does not say. */
  readonly bytes: number | undefined;
}

/** A tracking server or file store of MLflow, which is only read. */
export interface MlflowSource {
  /** What it is called in the audit log. */
  readonly name: string;
  /** Deleted ones too. */
  experiments(): AsyncIterable<SourceExperiment>;
  runs(experiment: string): AsyncIterable<SourceRun>;
  /** Every point of a metric, in pieces of any size. */
  history(run: string, key: string): AsyncIterable<readonly SourceMetric[]>;
  loggedModels(experiment: string): AsyncIterable<SourceLoggedModel>;
  /** Those that are not deleted. */
  traces(experiment: string): AsyncIterable<SourceTrace>;
  /** The spans of a trace as the text of MLflow's file `traces.json`; undefined where it has none. */
  spans(trace: string): Promise<string | undefined>;
  /** Without their secrets, which a server tells nobody. Undefined where the source keeps none. */
  webhooks(): AsyncIterable<SourceWebhook> | undefined;
  /** Undefined where the source knows no users, or tells nobody of them. */
  users(): Promise<readonly SourceUser[] | undefined>;
  registeredModels(): AsyncIterable<SourceRegisteredModel>;
  /** In the order of their numbers. */
  versions(model: SourceRegisteredModel): Promise<readonly SourceVersion[]>;
  files(owner: SourceOwner): AsyncIterable<SourceFile>;
  open(owner: SourceOwner, path: string): Promise<Readable>;
}

export const PROMPT_TAG = 'mlflow.prompt.is_prompt';

export function isPrompt({ tags = [] }: Pick<SourceRegisteredModel, 'tags'>): boolean {
  return tags.some(({ key, value }) => key === PROMPT_TAG && value === 'true');
}

const STATES = ['OK', 'ERROR', 'IN_PROGRESS'] as const;

/** In the words of MLflow 3. What went in and came out was told in metadata then. */
export function traceOfV2(trace: SourceTraceV2): SourceTrace {
  const { request_id, timestamp_ms = 0, execution_time_ms, status, request_metadata = [], tags = [] } = trace;
  const metadata = textsOf(request_metadata);
  const [request, response] = [metadata['mlflow.traceInputs'], metadata['mlflow.traceOutputs']];
  return {
    trace_id: request_id,
    request_time: timestamp_ms,
    ...(execution_time_ms === undefined ? {} : { execution_duration_ms: execution_time_ms }),
    state: STATES.find((state) => state === status) ?? 'STATE_UNSPECIFIED',
    ...(request === undefined ? {} : { request_preview: request }),
    ...(response === undefined ? {} : { response_preview: response }),
    trace_metadata: metadata,
    tags: textsOf(tags),
  };
}

export function textsOf(pairs: readonly Pair[]): Record<string, string> {
  return Object.fromEntries(pairs.map(({ key, value = '' }) => [key, value]));
}

/** Something is wrong with the source, told without a stack. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}
