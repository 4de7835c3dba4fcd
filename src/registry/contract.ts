import { z } from 'zod';
import type { Json } from '#core/json';
import { contract, nameSchema, pageOf, pageQuery, route } from '#platform/contract';
import { artifactPathSchema, causeSchema, digestSchema } from '#tracking/contract';
import { EVIDENCE_BYTES_MAX, fitsEvidence } from './evidence-size.ts';

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'expected text without NUL');
const reason = text(2_000);

export const SIGNATURE_INPUTS_MAX = 2_000;

/**
 * What a model takes and gives. In its ONNX graph: input `features`, float32 [N, F], the numeric columns in this order;
 * input `categories`, string [N, C], only when there are category columns; output `probability` or `value`, float32
 * [N, 1].
 */
export const modelSignature = z.strictObject({
  inputs: z
    .array(z.strictObject({ name: text(200).min(1), kind: z.enum(['numeric', 'category']) }))
    .min(1)
    .max(SIGNATURE_INPUTS_MAX)
    .refine((inputs) => new Set(inputs.map((input) => input.name)).size === inputs.length, {
      message: 'expected each name once',
    }),
  output: z.enum(['probability', 'value']),
});
export type ModelSignature = z.output<typeof modelSignature>;

const artifact = z.strictObject({
  path: artifactPathSchema,
  digest: digestSchema,
  bytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
});
export type VersionArtifact = z.output<typeof artifact>;

/** The artifact that is scored with: a file `model.<format>` at the top, such as `model.onnx`. */
const MODEL_FILE = /^model\.[a-z0-9]{1,16}$/;
export const isModelFile = (path: string): boolean => MODEL_FILE.test(path);

const kind = z.string().regex(/^[a-z][a-z0-9-]{0,59}$/, 'expected lower case letters, digits and -, as in leak-check');
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
  kind: kind.refine((value) => value !== 'approval', 'approvals are given by approving the version'),
  passed: z.boolean().nullable(),
  data: evidenceData.default({}),
});
export type EvidenceDraft = z.input<typeof evidenceDraft>;

export const EVIDENCE_WITH_VERSION_MAX = 20;
const tags = z
  .record(text(250).min(1), text(5_000))
  .refine((map) => Object.keys(map).length <= 100, 'expected at most 100 tags');

const versionBody = z.strictObject({
  /** The run that made the version. */
  run: text(256).min(1).optional(),
  /** Why it was made; the caller unless told. */
  cause: causeSchema.optional(),
  /** Exactly one is the model file: `model.<format>` at the top. Each must be in the blob store. */
  artifacts: z
    .array(artifact)
    .min(1)
    .max(500)
    .superRefine((artifacts, check) => {
      const paths = artifacts.map((item) => item.path);
      if (new Set(paths).size < paths.length) check.addIssue({ code: 'custom', message: 'expected each path once' });
      const models = paths.filter(isModelFile).length;
      if (models === 1) return;
      check.addIssue({ code: 'custom', message: `expected exactly one file model.<format>, found ${models}` });
    }),
  signature: modelSignature,
  /** Recorded in the same transaction. */
  evidence: z.array(evidenceDraft).max(EVIDENCE_WITH_VERSION_MAX).default([]),
  tags: tags.default({}),
  description: text(10_000).default(''),
});

export const versionDraft = versionBody.extend({ model: nameSchema });
export type VersionDraft = z.input<typeof versionDraft>;

const versionNumber = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
/** A name for a version that can move. `latest` and `v3` are refused, because they read as if they were computed. */
const aliasName = z
  .string()
  .regex(/^[A-Za-z0-9][\w-]{0,99}$/, 'expected letters, digits, _ and -, as in champion')
  .refine((alias) => !/^(v\d+|\d+|latest)$/i.test(alias), 'expected a name other than latest, a number or v<number>');

const modelView = z.object({
  name: z.string(),
  description: z.string(),
  /** Moving one of these asks the gate. */
  protectedAliases: z.array(z.string()),
  aliases: z.record(z.string(), z.number().int()),
  /** The highest number given so far; 0 before the first version. Numbers are never given twice. */
  lastVersion: z.number().int(),
  createdAt: z.number(),
  createdBy: z.string(),
});
export type RegisteredModel = z.output<typeof modelView>;

const versionView = z.object({
  model: z.string(),
  version: z.number().int(),
  /** Over artifacts, signature and run: what can never change. */
  digest: digestSchema,
  runId: z.string().nullable(),
  cause: causeSchema,
  artifacts: z.array(artifact),
  modelFile: artifact,
  signature: modelSignature,
  description: z.string(),
  tags: z.record(z.string(), z.string()),
  aliases: z.array(z.string()),
  createdAt: z.number(),
  createdBy: z.string(),
  /** When it was deleted. The row, its evidence and its history stay; it takes no alias and serves no traffic. */
  deletedAt: z.number().nullable(),
});
export type ModelVersion = z.output<typeof versionView>;

const evidenceView = z.object({
  id: z.string(),
  kind: z.string(),
  passed: z.boolean().nullable(),
  data: z.custom<Json>(() => true),
  digest: digestSchema,
  by: z.string(),
  at: z.number(),
});
export type Evidence = z.output<typeof evidenceView>;

const aliasMove = z.object({
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

const historyEntry = z.object({
  seq: z.number().int(),
  time: z.number(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.custom<Json>(() => true),
  hash: z.string(),
});
const historyPage = z.object({ items: z.array(historyEntry), next: z.string().optional() });

const byModel = z.object({ model: nameSchema });
const byVersion = byModel.extend({ version: versionNumber });
const byAlias = byModel.extend({ alias: aliasName });

export const registryContract = contract({
  listModels: route({
    method: 'GET',
    path: '/api/v1/models',
    summary: 'List registered models by name',
    permission: 'registry:read',
    query: pageQuery,
    reply: pageOf(modelView),
  }),
  getModel: route({
    method: 'GET',
    path: '/api/v1/models/:model',
    summary: 'Describe a registered model with its aliases',
    permission: 'registry:read',
    params: byModel,
    reply: modelView,
    errors: ['registry/model-not-found'],
  }),
  describeModel: route({
    method: 'PATCH',
    path: '/api/v1/models/:model',
    summary: 'Change the description of a model',
    permission: 'registry:write',
    params: byModel,
    body: z.strictObject({ description: text(10_000) }),
    reply: modelView,
    errors: ['registry/model-not-found'],
    audit: 'model.describe',
  }),
  protectAliases: route({
    method: 'PUT',
    path: '/api/v1/models/:model/protected-aliases',
    summary: 'Say which aliases of a model move only when the gate allows it',
    permission: 'registry:govern',
    params: byModel,
    body: z.strictObject({ aliases: z.array(aliasName).max(50) }),
    reply: modelView,
    errors: ['registry/model-not-found'],
    audit: 'model.protect-aliases',
  }),
  modelHistory: route({
    method: 'GET',
    path: '/api/v1/models/:model/history',
    summary: 'List every change of a model from the audit log, newest first',
    permission: 'registry:read',
    params: byModel,
    query: pageQuery,
    reply: historyPage,
    errors: ['registry/model-not-found', 'registry/invalid-cursor'],
  }),
  registerVersion: route({
    method: 'POST',
    path: '/api/v1/models/:model/versions',
    summary: 'Register a version with its evidence. The same content of the same run again is the same version',
    permission: 'registry:write',
    params: byModel,
    body: versionBody,
    bodyBytesMax: 8_388_608,
    reply: versionView,
    errors: ['registry/missing-artifact', 'registry/limit'],
    audit: 'model-version.register',
  }),
  listVersions: route({
    method: 'GET',
    path: '/api/v1/models/:model/versions',
    summary: 'List the versions of a model, newest first',
    permission: 'registry:read',
    params: byModel,
    query: pageQuery.extend({ run: text(256).min(1).optional(), deleted: z.enum(['true', 'false']).default('false') }),
    reply: pageOf(versionView),
    errors: ['registry/model-not-found', 'registry/invalid-cursor'],
  }),
  getVersion: route({
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version',
    summary: 'Describe a version, deleted or not',
    permission: 'registry:read',
    params: byVersion,
    reply: versionView,
    errors: ['registry/model-not-found', 'registry/version-not-found'],
  }),
  describeVersion: route({
    method: 'PATCH',
    path: '/api/v1/models/:model/versions/:version',
    summary: 'Change the description or the tags of a version; null removes a tag',
    permission: 'registry:write',
    params: byVersion,
    body: z.strictObject({
      description: text(10_000).optional(),
      tags: z.record(text(250).min(1), text(5_000).nullable()).optional(),
    }),
    reply: versionView,
    errors: ['registry/version-not-found', 'registry/version-deleted', 'registry/limit'],
    audit: 'model-version.describe',
  }),
  deleteVersion: route({
    method: 'DELETE',
    path: '/api/v1/models/:model/versions/:version',
    summary: 'Delete a version that holds no alias. Its row, evidence and history stay',
    permission: 'registry:write',
    params: byVersion,
    query: z.object({ reason: reason.default('') }),
    reply: versionView,
    errors: ['registry/version-not-found', 'registry/version-in-use'],
    audit: 'model-version.delete',
  }),
  versionHistory: route({
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version/history',
    summary: 'List every change of a version from the audit log, newest first',
    permission: 'registry:read',
    params: byVersion,
    query: pageQuery,
    reply: historyPage,
    errors: ['registry/version-not-found', 'registry/invalid-cursor'],
  }),
  versionArtifact: route({
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version/artifact',
    summary: 'Find a file of a version. Its bytes are at /api/v1/blobs/<digest>',
    permission: 'registry:read',
    params: byVersion,
    query: z.object({ path: artifactPathSchema }),
    reply: artifact,
    errors: ['registry/version-not-found', 'registry/artifact-not-found'],
  }),
  listEvidence: route({
    method: 'GET',
    path: '/api/v1/models/:model/versions/:version/evidence',
    summary: 'List the evidence of a version, oldest first',
    permission: 'registry:read',
    params: byVersion,
    query: z.object({ kind: kind.optional() }),
    reply: z.object({ items: z.array(evidenceView) }),
    errors: ['registry/version-not-found'],
  }),
  addEvidence: route({
    method: 'POST',
    path: '/api/v1/models/:model/versions/:version/evidence',
    summary: 'Record evidence about a version. Evidence is never changed: newer evidence of its kind supersedes it',
    permission: 'registry:write',
    params: byVersion,
    body: evidenceDraft,
    reply: evidenceView,
    errors: ['registry/version-not-found', 'registry/version-deleted', 'registry/limit'],
    audit: 'model-version.add-evidence',
  }),
  approveVersion: route({
    method: 'POST',
    path: '/api/v1/models/:model/versions/:version/approvals',
    summary: 'Approve a version, or refuse it, in the name of the caller',
    permission: 'registry:approve',
    params: byVersion,
    body: z.strictObject({ approved: z.boolean(), reason: reason.min(1) }),
    reply: evidenceView,
    errors: ['registry/version-not-found', 'registry/version-deleted', 'registry/limit'],
    audit: 'model-version.approve',
  }),
  versionByAlias: route({
    method: 'GET',
    path: '/api/v1/models/:model/aliases/:alias',
    summary: 'Describe the version that holds an alias',
    permission: 'registry:read',
    params: byAlias,
    reply: versionView,
    errors: ['registry/model-not-found', 'registry/alias-not-found'],
  }),
  moveAlias: route({
    method: 'PUT',
    path: '/api/v1/models/:model/aliases/:alias',
    summary: 'Move an alias to a version. A protected alias moves only when the gate allows it',
    permission: 'registry:write',
    params: byAlias,
    body: z.strictObject({ version: versionNumber, cause: causeSchema.optional(), reason: reason.default('') }),
    reply: versionView,
    errors: ['registry/version-not-found', 'registry/version-deleted', 'registry/gate-denied', 'registry/limit'],
    audit: 'model-alias.move',
  }),
  removeAlias: route({
    method: 'DELETE',
    path: '/api/v1/models/:model/aliases/:alias',
    summary: 'Remove an alias; its history stays',
    permission: 'registry:write',
    params: byAlias,
    query: z.object({ reason: reason.default('') }),
    reply: z.object({ removed: z.boolean() }),
    errors: ['registry/model-not-found'],
    audit: 'model-alias.remove',
  }),
  aliasHistory: route({
    method: 'GET',
    path: '/api/v1/models/:model/aliases/:alias/history',
    summary: 'List the moves of an alias, newest first',
    permission: 'registry:read',
    params: byAlias,
    query: pageQuery,
    reply: pageOf(aliasMove),
    errors: ['registry/model-not-found', 'registry/invalid-cursor'],
  }),
});
