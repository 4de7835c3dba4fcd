import type { OtlpSpan } from './otlp.ts';

export const TRACE_STATES = ['STATE_UNSPECIFIED', 'OK', 'ERROR', 'IN_PROGRESS'] as const;
export type TraceState = (typeof TRACE_STATES)[number];

/** What is known of a trace without its spans. */
export interface Trace {
  readonly id: string;
  readonly experiment: string;
  readonly name: string | undefined;
  /** When it began, in epoch milliseconds. */
  readonly requestedAt: number;
  readonly durationMs: number | undefined;
  readonly state: TraceState;
  readonly clientRequestId: string | undefined;
  readonly requestPreview: string | undefined;
  readonly responsePreview: string | undefined;
  /** Where its client keeps files of the trace. */
  readonly artifactUri: string;
  /** How many spans are stored; none where they are in a file of the trace. */
  readonly spans: number;
  readonly tags: ReadonlyMap<string, string>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly assessments: readonly Assessment[];
}

export interface TraceWithSpans extends Trace {
  readonly content: readonly OtlpSpan[];
}

export const SOURCE_TYPES = ['SOURCE_TYPE_UNSPECIFIED', 'HUMAN', 'LLM_JUDGE', 'AI_JUDGE', 'CODE'] as const;
export type SourceType = (typeof SOURCE_TYPES)[number];

export type AssessmentKind = 'feedback' | 'expectation' | 'issue';

export interface AssessmentError {
  readonly code: string;
  readonly message: string | undefined;
  readonly stack: string | undefined;
}

/** What somebody, or a program, says of a trace or of one span in it. */
export interface Assessment {
  readonly id: string;
  readonly trace: string;
  readonly name: string;
  readonly kind: AssessmentKind;
  /** Any JSON. Of an issue, its name. */
  readonly value: unknown;
  readonly error: AssessmentError | undefined;
  readonly rationale: string | undefined;
  readonly source: { readonly type: SourceType; readonly id: string };
  readonly span: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** The assessment that this one stands in for; that is then no longer valid. */
  readonly overrides: string | undefined;
  readonly valid: boolean;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const TRACE_LIMITS = {
  spans: 10_000,
  spanBytes: 4_194_304,
  traceBytes: 67_108_864,
  keys: 1_000,
  assessments: 1_000,
  linksInRequest: 100,
  previewLength: 10_000,
  tagLength: 8_000,
  metadataLength: 65_535,
} as const;

/** The key of the row of a trace. */
export function traceKey(project: string, id: string): string {
  return `${project}/${id}`;
}

/** MLflow's names for what it knows of a trace. */
export const NAMES = {
  name: 'mlflow.traceName',
  spansLocation: 'mlflow.trace.spansLocation',
  artifactLocation: 'mlflow.artifactLocation',
  linkedPrompts: 'mlflow.linkedPrompts',
  sourceRun: 'mlflow.sourceRun',
  session: 'mlflow.trace.session',
  user: 'mlflow.trace.user',
  tokenUsage: 'mlflow.trace.tokenUsage',
  sizeStats: 'mlflow.trace.sizeStats',
  tagAttribute: 'mlflow.traceTag.',
  inputs: 'mlflow.spanInputs',
  outputs: 'mlflow.spanOutputs',
  spanType: 'mlflow.spanType',
  spanUsage: 'mlflow.chat.tokenUsage',
  spanCost: 'mlflow.llm.cost',
  spanModel: 'mlflow.llm.model',
  spanProvider: 'mlflow.llm.provider',
} as const;

/** The text that searches compare an assessment's value with, and its number if it is one. */
export function comparedValue(value: unknown): { readonly text: string; readonly number: number | null } {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'null');
  return { text, number: typeof value === 'number' ? value : null };
}
