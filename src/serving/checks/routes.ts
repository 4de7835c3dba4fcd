import { z } from 'zod';
import { nameSchema, route } from '#platform/contract';
import { armSchema } from '../routing.ts';
import { checkReport } from './check-result.ts';
import { GOLDEN_MAX, goldenRequest, goldenView } from './golden-request.ts';

const byEndpoint = z.object({ endpoint: nameSchema });
const golden = z.object({ items: z.array(goldenView) });

const checkWork = z.object({
  arm: armSchema,
  golden: z.array(goldenRequest),
  plan: z.object({
    golden: z.object({ tolerance: z.number(), differingMax: z.number(), requestsMin: z.number() }).nullable(),
    load: z.object({ rate: z.number(), seconds: z.number(), p99MsMax: z.number(), errorsMax: z.number() }).nullable(),
  }),
});
export type CheckWork = z.output<typeof checkWork>;

/** The part of serving's contract that is about checks before traffic. */
export const checksRoutes = {
  listGolden: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/golden',
    summary: 'List the golden requests of an endpoint: requests whose answer is known',
    permission: 'serving:read',
    params: byEndpoint,
    reply: golden,
    errors: ['serving/not-found'],
  }),
  addGolden: route({
    method: 'POST',
    path: '/api/v1/endpoints/:endpoint/golden',
    summary: 'Record golden requests by hand; one of a known name takes its place',
    permission: 'serving:write',
    params: byEndpoint,
    body: z.object({ requests: z.array(goldenRequest).min(1).max(GOLDEN_MAX) }),
    reply: golden,
    errors: ['serving/not-found', 'serving/golden-full'],
    audit: 'golden.add',
  }),
  sampleGolden: route({
    method: 'POST',
    path: '/api/v1/endpoints/:endpoint/golden/sample',
    summary: 'Take golden requests from the newest recorded predictions of the current revision, evenly',
    permission: 'serving:write',
    params: byEndpoint,
    body: z.object({ count: z.number().int().min(1).max(GOLDEN_MAX) }),
    reply: golden,
    errors: ['serving/not-found', 'serving/golden-full', 'serving/no-records'],
    audit: 'golden.sample',
  }),
  removeGolden: route({
    method: 'DELETE',
    path: '/api/v1/endpoints/:endpoint/golden/:name',
    summary: 'Forget a golden request',
    permission: 'serving:write',
    params: byEndpoint.extend({ name: z.string().min(1).max(200) }),
    reply: golden,
    errors: ['serving/not-found'],
    audit: 'golden.remove',
  }),
  listExamples: route({
    method: 'GET',
    path: '/api/v1/endpoints/:endpoint/examples',
    summary: 'List requests as an endpoint gets them, golden and recorded, for gateways to warm models with',
    permission: 'serving:report',
    params: byEndpoint,
    reply: z.object({ items: z.array(goldenRequest) }),
    errors: ['serving/not-found'],
  }),
  getCheckWork: route({
    method: 'GET',
    path: '/api/v1/rollouts/:rollout/checks',
    summary: 'Read what a gateway has to check before a rollout gets traffic',
    permission: 'serving:read',
    params: z.object({ rollout: z.string().min(1).max(100) }),
    reply: checkWork,
    errors: ['serving/rollout-not-found', 'serving/not-active'],
  }),
  reportChecks: route({
    method: 'POST',
    path: '/api/v1/rollout-checks',
    summary: 'Report what a gateway found of the checks before traffic; what comes after the first changes nothing',
    permission: 'serving:report',
    body: checkReport,
    reply: z.object({ accepted: z.boolean() }),
    errors: ['serving/rollout-not-found'],
    audit: 'rollout.decide',
  }),
} as const;
