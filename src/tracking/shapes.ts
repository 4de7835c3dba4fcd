import { z } from 'zod';
import type { Digest } from '#core/hash';

/** Text without NUL, which not every SQL dialect can store. */
export const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'expected text without NUL');
export const key = text(250).min(1);
export const timestamp = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Why something was started, as it is sent and stored: see `Cause`. */
export const causeSchema = z.object({
  kind: z.enum(['user', 'rule', 'event', 'schedule']),
  id: text(300).min(1),
  depth: z.number().int().min(0).max(1_000),
  at: z.number().optional(),
  within: z.object({ run: z.string(), step: z.string() }).optional(),
});

export const digestSchema = z.custom<Digest>(
  (value) => typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value),
  'expected sha256: and 64 lower-case hexadecimal digits',
);

/**
 * Where an artifact lies within its run: names joined by `/`, as in `plots/roc.svg`. Nothing that a file system or an
 * URL could take for another place: no `..`, no absolute path, no empty name, no control character, no backslash, and
 * none of `%2e`, `%2f`, `%5c` and `%00`, which a second decoding would turn into those.
 */
export const artifactPathSchema = z.string().min(1).max(1_000).refine(isArtifactPath, {
  message: "expected a relative path of names joined by '/', without '..', as in plots/roc.svg",
});

function isArtifactPath(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
  if (/[\u0000-\u001f\u007f\\]|%2e|%2f|%5c|%00|^[A-Za-z]:/i.test(path)) return false;
  return path.split('/').every((name) => name !== '' && name !== '.' && name !== '..' && name.length <= 255);
}

/** A number; NaN and the infinities, which JSON does not have, are sent as these texts. */
export const sentNumber = z.union([
  z.number(),
  z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number),
  z.custom<number>((value) => typeof value === 'number', "expected a number, 'NaN', 'Infinity' or '-Infinity'"),
]);
export const answeredNumber = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])]);

export const runStatus = z.enum(['scheduled', 'running', 'finished', 'failed', 'killed']);
export type RunStatus = z.output<typeof runStatus>;
export const finalStatus = runStatus.exclude(['scheduled', 'running']);
export type FinalStatus = z.output<typeof finalStatus>;

export const experimentName = text(500).min(1);
export const runId = z.string().regex(/^[A-Za-z0-9][\w-]{0,255}$/, 'expected letters, digits, _ and -, at most 256');
export const lifecycle = z.enum(['active', 'deleted']);

export const experimentView = z.object({
  /** An integer as text. 0 is kept for MLflow's experiment `Default`. */
  id: z.string(),
  name: z.string(),
  lifecycle,
  createdAt: z.number(),
  createdBy: z.string(),
  /** When it was made, renamed, deleted or restored last. */
  updatedAt: z.number(),
  project: z.string(),
  /** Below which the runs of the experiment keep their files. */
  artifactLocation: z.string(),
});
export type Experiment = z.output<typeof experimentView>;

export const runView = z.object({
  id: z.string(),
  name: z.string(),
  experiment: z.object({ id: z.string(), name: z.string() }),
  status: runStatus,
  lifecycle,
  startedBy: z.string(),
  startedAt: z.number(),
  endedAt: z.number().nullable(),
  source: z.object({ run: z.string(), step: z.string() }).nullable(),
  cause: causeSchema,
  /** Whom the run is of, as its client says; `startedBy` is who was authenticated. */
  userId: z.string(),
  artifactUri: z.string(),
  params: z.record(z.string(), z.string()),
  tags: z.record(z.string(), z.string()),
  /** Of each metric the value of the highest step (then the latest time, then the largest value). */
  metrics: z.record(z.string(), z.object({ value: answeredNumber, step: z.number(), timestamp: z.number() })),
});

export const metricPoint = z.object({ value: answeredNumber, step: z.number(), timestamp: z.number() });

export const artifactView = z.object({
  path: z.string(),
  digest: digestSchema,
  bytes: z.number().int(),
  createdAt: z.number(),
});
export type Artifact = z.output<typeof artifactView>;

export const SERIES_PAGE_MAX = 25_000;

/** The points of a metric by column, which is how charts take them. */
export const seriesView = z.object({
  steps: z.array(z.number()),
  timestamps: z.array(z.number()),
  values: z.array(answeredNumber),
  next: z.string().optional(),
});

const dataset = z.object({
  name: z.string(),
  digest: z.string(),
  sourceType: z.string(),
  source: z.string(),
  schema: z.string().optional(),
  profile: z.string().optional(),
});
const modelLink = z.object({ model: z.string(), step: z.number() });
export const runLineageView = z.object({
  datasets: z.array(z.object({ dataset, tags: z.array(z.object({ key: z.string(), value: z.string() })) })),
  inputModels: z.array(modelLink),
  outputModels: z.array(modelLink),
});
