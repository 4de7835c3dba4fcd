import { z } from 'zod';
import type { Json } from '#core/json';
import { artifactPathSchema, causeSchema, digestSchema } from '#tracking/contract';
import { EVIDENCE_BYTES_MAX, fitsEvidence } from './evidence-size.ts';

export const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'expected text without NUL');
export const reason = text(2_000);

/** A model's name as MLflow has it: any text without `/`, `:` or control characters that does not begin with `..`. */
export const modelNameSchema = z
  .string()
  .min(1)
  .max(250)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here.
  .regex(/^(?!\.\.|\.$|\s*$)[^/:%\u0000-\u001f\u007f]+$/, "expected a name without '/', ':' or '%', as in delays");

/** How a model is named everywhere: by its name, and in a project other than `default` as `<project>/<name>`. */
export const modelKeySchema = z.union([
  modelNameSchema,
  z.string().refine((key) => {
    const at = key.indexOf('/');
    return /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/.test(key.slice(0, at)) && isModelName(key.slice(at + 1));
  }, 'expected the name of a model, or <project>/<name>'),
]);
const isModelName = (name: string): boolean => modelNameSchema.safeParse(name).success;

export const SIGNATURE_INPUTS_MAX = 2_000;
const signatureInput = z.strictObject({ name: text(200).min(1), kind: z.enum(['numeric', 'category']) });

/**
 * What a model takes and gives. In its ONNX graph: input `features`, float32 [N, F], the numeric columns in this order;
 * input `categories`, string [N, C], only when there are category columns; output `probability` or `value`, float32
 * [N, 1].
 */
export const modelSignature = z.strictObject({
  inputs: z
    .array(signatureInput)
    .min(1)
    .max(SIGNATURE_INPUTS_MAX)
    .refine((inputs) => new Set(inputs.map((input) => input.name)).size === inputs.length, {
      message: 'expected each name once',
    }),
  output: z.enum(['probability', 'value']),
});
export type ModelSignature = z.output<typeof modelSignature>;

const field = z.strictObject({ name: z.string(), type: z.string(), required: z.boolean() });

/** The columns that a model takes and gives, by which the next semantic version is suggested. */
const modelSchema = z.strictObject({
  inputs: z.array(field),
  outputs: z.array(field),
  params: z.array(field),
});
export type ModelSchema = z.output<typeof modelSchema>;

export const artifact = z.strictObject({
  path: artifactPathSchema,
  digest: digestSchema,
  bytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
});
export type VersionArtifact = z.output<typeof artifact>;

/** The artifact that is scored with: a file `model.<format>` at the top, such as `model.onnx`. */
const MODEL_FILE = /^model\.[a-z0-9]{1,16}$/;
export const isModelFile = (path: string): boolean => MODEL_FILE.test(path);

/** The file that makes a folder an MLflow model: what is in it, how it is loaded, and its signature. */
export const MLMODEL = 'MLmodel';

export const kind = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,59}$/, 'expected lower case letters, digits and -, as in leak-check');
const evidenceData = z.custom<Json>(
  (value) => fitsEvidence(value),
  `expected JSON of at most ${EVIDENCE_BYTES_MAX} bytes and 32 levels`,
);

/**
 * A finding about a version. Kinds are free; Kedge itself knows `evaluation`, `leak-check`, `explanation`, `validation`
 * and `profile`, and `approval`, which is given through a route of its own. `passed` is null for a finding that is not
 * a check. A `summary` in the data is what people are shown, and `metrics` are what gates compare.
 */
export const evidenceDraft = z.strictObject({
  kind: kind
    .refine((value) => value !== 'approval', 'approvals are given by approving the version')
    .refine((value) => value !== 'signature', 'signatures are given by signing the version'),
  passed: z.boolean().nullable(),
  data: evidenceData.default({}),
});
export type EvidenceDraft = z.input<typeof evidenceDraft>;

export const EVIDENCE_WITH_VERSION_MAX = 20;
export const VERSION_ARTIFACTS_MAX = 500;
export const TAG_CHARS_MAX = 100_000;
export const tagKey = text(250).min(1);
const tags = z
  .record(tagKey, text(TAG_CHARS_MAX))
  .refine((map) => Object.keys(map).length <= 100, 'expected at most 100 tags');

export const semanticVersion = z
  .string()
  .regex(/^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/, 'expected <major>.<minor>.<patch>, as in 1.4.0');

export const versionBody = z.strictObject({
  /** The run that made the version. */
  run: text(256).min(1).optional(),
  /** Why it was made; the caller unless told. */
  cause: causeSchema.optional(),
  /**
   * An MLflow model (a folder with a file `MLmodel`), or else exactly one model file `model.<format>` at the top with
   * whatever goes with it. Each file must be in the blob store.
   */
  artifacts: z
    .array(artifact)
    .min(1)
    .max(VERSION_ARTIFACTS_MAX)
    .superRefine((artifacts, check) => {
      const paths = artifacts.map((item) => item.path);
      if (new Set(paths).size < paths.length) check.addIssue({ code: 'custom', message: 'expected each path once' });
      const models = paths.filter(isModelFile).length;
      if (models === 1 || paths.includes(MLMODEL)) return;
      check.addIssue({ code: 'custom', message: `expected exactly one file model.<format>, found ${models}` });
    }),
  /** Absent for a model of any tensors, whose ONNX file says what it takes and gives. */
  signature: modelSignature.nullable().default(null),
  /** Recorded in the same transaction. */
  evidence: z.array(evidenceDraft).max(EVIDENCE_WITH_VERSION_MAX).default([]),
  tags: tags.default({}),
  description: text(10_000).default(''),
  /** The next one that the change of the signature suggests, unless told. */
  semanticVersion: semanticVersion.optional(),
});

export const versionDraft = versionBody.extend({ model: modelKeySchema });
export type VersionDraft = z.input<typeof versionDraft>;

export const versionNumber = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
/** A name for a version that can move. `latest` and `v3` are refused, because they read as if they were computed. */
export const aliasName = z
  .string()
  .regex(/^[\p{L}\p{N}_-]{1,255}$/u, 'expected letters, digits, _ and -, as in champion')
  .refine((alias) => !/^(v\d+|latest)$/i.test(alias), 'expected a name other than latest or v<number>');

/** Where a version is in its life. Whoever wants another order may skip stages; only `Production` asks the gate. */
export const stage = z.enum(['Proposal', 'Development', 'QA', 'PreProduction', 'Production', 'Archived']);
export type Stage = z.output<typeof stage>;
export const stageStatus = z.enum(['PendingApproval', 'InProgress', 'OnHold', 'Approved', 'Rejected', 'Retired']);
export type StageStatus = z.output<typeof stageStatus>;

export const modelView = z.object({
  name: z.string(),
  project: z.string(),
  description: z.string(),
  tags: z.record(z.string(), z.string()),
  /** Moving one of these asks the gate. */
  protectedAliases: z.array(z.string()),
  aliases: z.record(z.string(), z.number().int()),
  /** The highest number given so far; 0 before the first version. Numbers are never given twice. */
  lastVersion: z.number().int(),
  createdAt: z.number(),
  createdBy: z.string(),
  /** Who made it where it was brought in from, as the source says; null for what was made here. */
  author: z.string().nullable(),
  updatedAt: z.number(),
  /** When it was deleted. A model that is created again under this name goes on with its numbers. */
  deletedAt: z.number().nullable(),
});
export type RegisteredModel = z.output<typeof modelView>;

export const versionView = z.object({
  model: z.string(),
  version: z.number().int(),
  semanticVersion: z.string(),
  /** Over artifacts, signature and run: what can never change. */
  digest: digestSchema,
  runId: z.string().nullable(),
  /** The logged model it was registered from. */
  modelId: z.string().nullable(),
  /** Where it was registered from, as it was told; empty for a version whose artifacts were sent. */
  source: z.string(),
  runLink: z.string(),
  cause: causeSchema,
  artifacts: z.array(artifact),
  /** What is scored with. Its path is empty for a prompt, for a model kept elsewhere, and where registering failed. */
  modelFile: z.object({ path: z.string(), digest: digestSchema, bytes: z.number().int() }),
  /** Without inputs where they are not known; the version cannot be served then. */
  signature: z.object({ inputs: z.array(signatureInput), output: z.enum(['probability', 'value']) }),
  schema: modelSchema.nullable(),
  /** `failed` when there was nothing at the source; it takes no protected alias and no stage. */
  status: z.enum(['ready', 'failed']),
  statusMessage: z.string(),
  stage,
  stageStatus,
  description: z.string(),
  tags: z.record(z.string(), z.string()),
  aliases: z.array(z.string()),
  createdAt: z.number(),
  createdBy: z.string(),
  /** Who made it where it was brought in from, as the source says; null for what was made here. */
  author: z.string().nullable(),
  updatedAt: z.number(),
  /** When it was deleted. The row, its evidence and its history stay; it takes no alias and serves no traffic. */
  deletedAt: z.number().nullable(),
});
export type ModelVersion = z.output<typeof versionView>;

/** How the signature of a version is shown where it is not known. */
export const UNKNOWN_SIGNATURE: ModelSignature = { inputs: [], output: 'value' };

export const evidenceView = z.object({
  id: z.string(),
  kind: z.string(),
  passed: z.boolean().nullable(),
  data: z.custom<Json>(() => true),
  digest: digestSchema,
  by: z.string(),
  at: z.number(),
});
export type Evidence = z.output<typeof evidenceView>;

export const aliasMove = z.object({
  model: z.string(),
  alias: z.string(),
  /** Null when the alias did not exist before. */
  from: z.number().int().nullable(),
  /** Null when the alias was removed. */
  to: z.number().int().nullable(),
  by: z.string(),
  at: z.number(),
  reason: z.string(),
  cause: causeSchema,
});
export type AliasMove = z.output<typeof aliasMove>;

export const stageMove = z.object({
  model: z.string(),
  version: z.number().int(),
  from: z.object({ stage, status: stageStatus }),
  to: z.object({ stage, status: stageStatus }),
  by: z.string(),
  at: z.number(),
  reason: z.string(),
});
export type StageMove = z.output<typeof stageMove>;

const historyEntry = z.object({
  seq: z.number().int(),
  time: z.number(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.custom<Json>(() => true),
  hash: z.string(),
});
export const historyPage = z.object({ items: z.array(historyEntry), next: z.string().optional() });
