import { z } from 'zod';
import { contract, pageOf, pageQuery, route } from '#platform/contract';
import { modelKeySchema } from '#registry/contract';
import { causeSchema } from '#tracking/contract';
import { approvalRoutes } from './approvals/contract.ts';

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'expected text without NUL');
const transition = z.enum(['serve', 'alias', 'stage']);
const version = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const evidenceKind = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,59}$/, 'expected lower case letters, digits and -, as in leak-check');

const metricBound = z
  .strictObject({
    name: text(250).min(1),
    atLeast: z.number().optional(),
    atMost: z.number().optional(),
    /** Bounds on the difference to the champion's own newest evidence of this kind; met while there is no champion. */
    aboveChampion: z.strictObject({ atLeast: z.number().optional(), atMost: z.number().optional() }).optional(),
  })
  .refine(
    ({ atLeast, atMost, aboveChampion }) =>
      atLeast !== undefined || atMost !== undefined || aboveChampion !== undefined,
    'expected atLeast, atMost or aboveChampion',
  );

const evidenceRequirement = z.strictObject({
  /** The newest evidence of this kind must exist and must not have failed. */
  evidence: evidenceKind,
  /** It must also have passed: evidence that is not a check (`passed: null`) is not enough. */
  passed: z.literal(true).optional(),
  /** A number at `data.metrics.<name>`, or else at `data.<name>`. */
  metric: metricBound.optional(),
  /** Every text of the list at `data.<list>` must be one of these, as for the licences of what a model is made of. */
  allowed: z.strictObject({ list: text(250).min(1), values: z.array(text(250)).min(1).max(500) }).optional(),
  from: z.literal('latest').default('latest'),
});
const approvalRequirement = z.strictObject({
  /** How many people must approve. Each one's newest word counts, and a standing refusal denies. */
  approvals: z.number().int().min(1).max(20),
  /** Approvals by whoever registered the version or caused it do not count. */
  independent: z.boolean().default(false),
  /** Only approvals whose signature verifies with a key that their approver has enrolled count. */
  signed: z.boolean().default(false),
});

/** The spec of the resource kind `gate-policy`. Where several apply, all of them must be satisfied. */
export const gatePolicySpec = z.strictObject({
  description: text(2_000).default(''),
  model: modelKeySchema,
  transitions: z.array(transition).min(1).max(3),
  require: z
    .array(z.union([evidenceRequirement, approvalRequirement]))
    .min(1)
    .max(50),
  /** Whether a person may waive named requirements for one version. */
  waivable: z.boolean().default(false),
});
export type GatePolicySpec = z.output<typeof gatePolicySpec>;
export type Requirement = GatePolicySpec['require'][number];

const decisionView = z.object({
  id: z.string(),
  model: z.string(),
  version: z.number().int(),
  transition,
  /** The alias, or the endpoint. */
  target: z.string(),
  actor: z.string(),
  cause: causeSchema.nullable(),
  allow: z.boolean(),
  /** The policies that applied, as they were then; none when nothing was asked of the version. */
  policies: z.array(z.object({ name: z.string(), generation: z.number().int() })),
  satisfied: z.array(z.string()),
  missing: z.array(z.string()),
  /** The waivers that were in force. */
  waivers: z.array(z.string()),
  /** Digest of the evidence that was looked at, in its order. */
  evidenceDigest: z.string(),
  at: z.number(),
});
export type GateDecision = z.output<typeof decisionView>;

const waiverDraft = z.strictObject({
  model: modelKeySchema,
  version,
  transition,
  target: text(200).min(1),
  /** The requirements that are waived, as a denial names them: kinds of evidence, or `approvals`. */
  items: z.array(evidenceKind).min(1).max(50),
  reason: text(2_000).min(1),
});
export type WaiverDraft = z.output<typeof waiverDraft>;

export { approvalStatement } from './approvals/statement.ts';

const waiverView = waiverDraft.extend({
  id: z.string(),
  by: z.string(),
  at: z.number(),
  revokedBy: z.string().nullable(),
  revokedAt: z.number().nullable(),
});
export type Waiver = z.output<typeof waiverView>;

const ofVersion = pageQuery.extend({
  model: modelKeySchema.optional(),
  version: z.coerce.number().int().min(1).optional(),
});

const checklistView = z.object({
  allow: z.boolean(),
  policies: z.array(z.string()),
  items: z.array(z.object({ policy: z.string(), item: z.string(), met: z.boolean(), text: z.string() })),
});
export type Checklist = z.output<typeof checklistView>;

export const governanceContract = contract({
  ...approvalRoutes,
  gateChecklist: route({
    method: 'GET',
    path: '/api/v1/gate-checklist',
    summary: 'Tell what a version shows and what it lacks for a transition, without recording a decision',
    permission: 'registry:read',
    checksObjects: true,
    query: z.object({
      model: modelKeySchema,
      version: z.coerce.number().int().min(1),
      transition,
      target: text(255).min(1),
    }),
    reply: checklistView,
    errors: ['registry/model-not-found', 'registry/version-not-found', 'registry/version-deleted'],
  }),
  listGateDecisions: route({
    method: 'GET',
    path: '/api/v1/gate-decisions',
    summary: 'List what the gate decided, newest first',
    permission: 'registry:read',
    checksObjects: true,
    query: ofVersion.extend({ allow: z.enum(['true', 'false']).optional() }),
    reply: pageOf(decisionView),
    errors: ['governance/invalid-cursor'],
  }),
  getGateDecision: route({
    method: 'GET',
    path: '/api/v1/gate-decisions/:decision',
    summary: 'Describe one decision of the gate',
    permission: 'registry:read',
    checksObjects: true,
    params: z.object({ decision: z.string().min(1).max(100) }),
    reply: decisionView,
    errors: ['governance/decision-not-found'],
  }),
  listGateWaivers: route({
    method: 'GET',
    path: '/api/v1/gate-waivers',
    summary: 'List waivers, newest first, also those that were revoked',
    permission: 'registry:read',
    checksObjects: true,
    query: ofVersion,
    reply: pageOf(waiverView),
    errors: ['governance/invalid-cursor'],
  }),
  waiveGate: route({
    method: 'POST',
    path: '/api/v1/gate-waivers',
    summary: 'Waive named requirements for one version and target, in the name of the caller',
    permission: 'governance:waive',
    body: waiverDraft,
    reply: waiverView,
    errors: ['governance/not-waivable', 'governance/nothing-to-waive', 'governance/limit'],
    audit: 'gate.waive',
  }),
  revokeGateWaiver: route({
    method: 'DELETE',
    path: '/api/v1/gate-waivers/:waiver',
    summary: 'Revoke a waiver; decisions it allowed stand',
    permission: 'governance:waive',
    params: z.object({ waiver: z.string().min(1).max(100) }),
    reply: waiverView,
    errors: ['governance/waiver-not-found'],
    audit: 'gate.revoke-waiver',
  }),
});
export type { ApprovalRequest, ApproverKey } from './approvals/contract.ts';
