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
  /** Without their secrets, which a server tells nobody. Undefined where the source keeps none. */
  webhooks(): AsyncIterable<SourceWebhook> | undefined;
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

/** Something is wrong with the source, told without a stack. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
}
