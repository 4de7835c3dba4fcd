import { z } from 'zod';
import { contract, nameSchema, pageOf, pageQuery, route } from '#platform/contract';
import { checkResult } from './checks/check-result.ts';
import { checksRoutes } from './checks/routes.ts';
import { type EndpointSpec, endpointSpec } from './endpoint-spec.ts';
import { armName, armsSpec } from './live/arms/arms-spec.ts';
import { incidentBundle } from './live/bundle.ts';
import { finding, liveView, trafficView } from './live/live-view.ts';
import { logLine, observation, oddRequest, outcomes } from './live/observation.ts';
import { armSchema, routingTableSchema, tensorVersionSchema } from './routing.ts';

export type { ArmView, TrafficView } from './live/live-view.ts';
export { modelGraphSpec } from './model-graphs/graph-spec.ts';
export { armSchema, type EndpointSpec, endpointSpec };

/**
 * What a gateway sends its predictions as; see `gateway/recording/packed-predictions.ts`. The name ends with the
 * version of what records look like: a control plane that does not know it refuses the type, and the gateway keeps what
 * it has.
 */
export const PACKED_PREDICTIONS = 'application/vnd.kedge.predictions.v1';

export const STAGES = [
  'queued',
  'checking',
  'shadow',
  'canary',
  'probation',
  'completed',
  'refused',
  'rolled-back',
  'aborted',
] as const;
const stageSchema = z.enum(STAGES);

/** What a decision was taken on, as shown beside it. Differences are current minus candidate: positive is better. */
const figuresSchema = z.object({
  verdict: z.enum(['better', 'worse', 'undecided']),
  blocks: z.number().int(),
  requests: z.number().int(),
  /** Mean difference of the log loss per request, and its confidence sequence. */
  mean: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  /** Sum of all differences, and the boundary that a mean of 0 stays within. */
  sum: z.number(),
  boundary: z.number().nullable(),
});
export type Figures = z.output<typeof figuresSchema>;

const decisionSchema = z.object({
  /** Event time of what decided, in epoch milliseconds; the time of the command for a person's. */
  at: z.number(),
  decidedAt: z.number(),
  from: stageSchema,
  to: stageSchema,
  /** Weight of the candidate from then on, in percent. */
  weight: z.number(),
  by: z.string(),
  sentence: z.string(),
  /** Of several candidates, which it is about. */
  arm: z.string().optional(),
  figures: figuresSchema.nullable(),
  findings: z.array(finding).optional(),
  /** What the checks before traffic found, where they decided. */
  checks: z.array(checkResult).optional(),
});
export type DecisionView = z.output<typeof decisionSchema>;

const rolloutView = z.object({
  id: z.string(),
  endpoint: z.string(),
  model: z.string(),
  current: z.number().int().nullable(),
  candidate: z.number().int(),
  stage: stageSchema,
  weight: z.number(),
  forced: z.boolean(),
  reason: z.string().nullable(),
  cause: z.object({ kind: z.string(), id: z.string(), depth: z.number(), at: z.number().optional() }),
  startedAt: z.number(),
  finishedAt: z.number().nullable(),
  /** Evidence since the rollout began, and since its present stage did. */
  evidence: figuresSchema,
  stageEvidence: figuresSchema,
  /** Of a rollout that is decided on live traffic. */
  live: liveView.optional(),
  /** A person holds it where it is. */
  paused: z.object({ reason: z.string() }).optional(),
  /** What the checks before traffic have found so far. */
  checks: z.array(checkResult).optional(),
  decisions: z.array(decisionSchema),
});
export type RolloutView = z.output<typeof rolloutView>;

const blockPoint = z.object({
  start: z.number(),
  requests: z.number().int(),
  lossDifferenceSum: z.number(),
  currentLossSum: z.number(),
  candidateLossSum: z.number(),
  stage: stageSchema,
  figures: figuresSchema,
});
export type BlockPoint = z.output<typeof blockPoint>;

const endpointView = z.object({
  name: z.string(),
  spec: endpointSpec,
  current: z.object({ version: z.number().int(), revision: z.string(), since: z.number() }).nullable(),
  rollout: rolloutView.nullable(),
  queued: z.number().int().nullable(),
  locked: z.boolean(),
  lockReason: z.string().nullable(),
});
export type EndpointView = z.output<typeof endpointView>;

const byEndpoint = z.object({ endpoint: nameSchema });
const byRollout = z.object({ rollout: z.string().min(1).max(100) });
const reason = z.string().min(3, 'expected a reason of at least 3 characters').max(2_000);
const reasonBody = z.object({ reason });
const versionNumber = z.coerce.number().int().min(1).max(1_000_000_000);

const guardrailReport = z.object({
  endpoint: nameSchema,
  rollout: z.string().min(1).max(100),
  /** Of several candidates, which. */
  arm: armName.optional(),
  reason: z.enum(['error-rate', 'latency']),
  /** Share of the candidate's requests that failed, or that were slower than the endpoint allows. */
  observed: z.number().min(0).max(1),
  limit: z.number().min(0).max(1),
  requests: z.number().int().min(1),
  error: z.string().max(2_000).optional(),
  odd: z.array(oddRequest).max(20).optional(),
  logs: z.array(logLine).max(50).optional(),
});
export type GuardrailReport = z.output<typeof guardrailReport>;

export const servingContract = contract({
  ...checksRoutes,
  listEndpoints: route({
    method: 'GET',
    path: '/api/v1/endpoints',
    summary: 'List endpoints with their current revision, rollout and lock',
    permission: 'serving:read',
    reply: z.object({ items: z.array(endpointView) }),
  }),
  getEndpoint: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint',
    summary: 'Describe an endpoint',
    permission: 'serving:read',
    params: byEndpoint,
    reply: endpointView,
    errors: ['serving/not-found'],
  }),
  startRollout: route({
    method: 'POST',
    path: '/api/v1/endpoints/:endpoint/rollouts',
    summary:
      'Roll a version out, or without one several arms at once; force waives the gate and begins with all traffic',
    permission: 'serving:write',
    params: byEndpoint,
    body: z
      .strictObject({
        version: versionNumber.optional(),
        /** Several candidates; those that the endpoint declares where there is no version either. */
        arms: armsSpec.optional(),
        force: z.object({ reason }).optional(),
      })
      .refine(({ version, arms, force }) => (version !== undefined ? arms === undefined : force === undefined), {
        message: 'expected a version, or arms; only a version can be forced',
        path: ['version'],
      }),
    reply: rolloutView,
    errors: [
      'serving/not-found',
      'serving/rollout-active',
      'serving/locked',
      'serving/not-servable',
      'serving/no-arms',
    ],
    audit: 'rollout.start',
  }),
  promoteRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts/:rollout/promote',
    summary: 'Move a rollout to its next stage without waiting for the evidence',
    permission: 'serving:write',
    params: byRollout,
    /** Of several candidates, which one becomes the current revision. */
    body: reasonBody.extend({ arm: armName.optional() }),
    reply: rolloutView,
    errors: ['serving/rollout-not-found', 'serving/not-active', 'serving/unknown-arm'],
    audit: 'rollout.promote',
  }),
  dropArm: route({
    method: 'POST',
    path: '/api/v1/rollouts/:rollout/arms/:arm/drop',
    summary: 'Take one of several candidates out of traffic; the others go on',
    permission: 'serving:write',
    params: byRollout.extend({ arm: armName }),
    body: reasonBody,
    reply: rolloutView,
    errors: ['serving/rollout-not-found', 'serving/not-active', 'serving/unknown-arm'],
    audit: 'rollout.drop-arm',
  }),
  approveRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts/:rollout/approve',
    summary: 'Say yes to the next step of a rollout that waits for a person, or will',
    permission: 'serving:write',
    params: byRollout,
    body: reasonBody,
    reply: rolloutView,
    errors: ['serving/rollout-not-found', 'serving/not-active'],
    audit: 'rollout.approve',
  }),
  pauseRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts/:rollout/pause',
    summary: 'Hold a rollout where it is; it goes on collecting evidence and may still be rolled back',
    permission: 'serving:write',
    params: byRollout,
    body: reasonBody,
    reply: rolloutView,
    errors: ['serving/rollout-not-found', 'serving/not-active'],
    audit: 'rollout.pause',
  }),
  resumeRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts/:rollout/resume',
    summary: 'Let a paused rollout go on',
    permission: 'serving:write',
    params: byRollout,
    body: reasonBody,
    reply: rolloutView,
    errors: ['serving/rollout-not-found', 'serving/not-active'],
    audit: 'rollout.resume',
  }),
  getIncidentBundle: route({
    method: 'GET',
    path: '/api/v1/rollouts/:rollout/bundle',
    summary: 'Read what was written down when a rollout was rolled back',
    permission: 'serving:read',
    params: byRollout,
    reply: z.object({ digest: z.string(), bundle: incidentBundle }),
    errors: ['serving/rollout-not-found', 'serving/no-bundle'],
  }),
  getRolloutTraffic: route({
    method: 'GET',
    path: '/api/v1/rollouts/:rollout/traffic',
    summary: 'What gateways saw of a rollout by blocks of time, and how its confidence sequences went',
    permission: 'serving:read',
    params: byRollout,
    reply: trafficView,
    errors: ['serving/rollout-not-found'],
  }),
  observeRollout: route({
    method: 'POST',
    path: '/api/v1/rollout-observations',
    summary: 'Report what a gateway saw of a rollout in one block of time; the same block again changes nothing',
    permission: 'serving:report',
    body: observation,
    reply: z.object({ accepted: z.boolean() }),
    audit: 'rollout.decide',
  }),
  reportOutcomes: route({
    method: 'POST',
    path: '/api/v1/rollouts/:rollout/outcomes',
    summary: 'Report the business metric of both arms of a rollout over one block of time',
    permission: 'serving:write',
    params: byRollout,
    body: outcomes,
    reply: z.object({ accepted: z.boolean() }),
    errors: ['serving/rollout-not-found', 'serving/no-metric', 'serving/unknown-arm'],
    audit: 'rollout.decide',
  }),
  abortRollout: route({
    method: 'POST',
    path: '/api/v1/rollouts/:rollout/abort',
    summary: 'End a rollout: the current revision answers everything again',
    permission: 'serving:write',
    params: byRollout,
    body: reasonBody,
    reply: rolloutView,
    errors: ['serving/rollout-not-found', 'serving/not-active'],
    audit: 'rollout.abort',
  }),
  rollForward: route({
    method: 'POST',
    path: '/api/v1/rollouts/:rollout/forward',
    summary: 'After a rollback, unlock the endpoint and give a third version all traffic, watched against the former',
    permission: 'serving:write',
    params: byRollout,
    body: z.object({ version: versionNumber, reason }),
    reply: rolloutView,
    errors: ['serving/rollout-not-found', 'serving/not-locked', 'serving/not-servable'],
    audit: 'rollout.forward',
  }),
  unlockEndpoint: route({
    method: 'POST',
    path: '/api/v1/endpoints/:endpoint/unlock',
    summary: 'Let rollouts of the endpoint start again after a rollback',
    permission: 'serving:write',
    params: byEndpoint,
    body: reasonBody,
    reply: endpointView,
    errors: ['serving/not-found', 'serving/not-locked'],
    audit: 'endpoint.unlock',
  }),
  listRollouts: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/rollouts',
    summary: 'List the rollouts of an endpoint with their decisions, newest first',
    permission: 'serving:read',
    params: byEndpoint,
    query: pageQuery,
    reply: pageOf(rolloutView),
  }),
  getRollout: route({
    method: 'GET',
    path: '/api/v1/rollouts/:rollout',
    summary: 'Describe a rollout with its comparison, block by block',
    permission: 'serving:read',
    params: byRollout,
    reply: rolloutView.extend({ blocks: z.array(blockPoint) }),
    errors: ['serving/rollout-not-found'],
  }),
  pollRouting: route({
    method: 'GET',
    path: '/api/v1/routing',
    summary: 'Wait up to 25 seconds for a routing table other than the one known',
    permission: 'serving:read',
    query: z.object({ after: z.coerce.number().int().min(-1).default(-1) }),
    reply: routingTableSchema,
  }),
  resolveVersion: route({
    method: 'GET',
    path: '/api/v1/routing/models/:model/versions/:version',
    summary: 'Describe a registered version as a gateway serves it',
    permission: 'serving:read',
    params: z.object({ model: nameSchema, version: versionNumber }),
    reply: z.union([armSchema, tensorVersionSchema]),
    errors: ['serving/version-not-found', 'serving/not-servable'],
  }),
  reportGuardrail: route({
    method: 'POST',
    path: '/api/v1/guardrail-reports',
    summary: 'Report that a gateway took a candidate out of traffic',
    permission: 'serving:report',
    body: guardrailReport,
    reply: z.object({ accepted: z.boolean() }),
    audit: 'rollout.guardrail',
  }),
});
