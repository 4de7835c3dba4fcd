import { z } from 'zod';
import { contract, pageOf, pageQuery, route } from '#platform/contract';
import { modelKeySchema } from '#registry/contract';

const text = (max: number) =>
  z
    .string()
    .max(max)
    .refine((value) => !value.includes('\0'), 'expected text without NUL');
const version = z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const transition = z.enum(['serve', 'alias', 'stage']);
const requestStatus = z.enum(['pending', 'approved', 'rejected', 'withdrawn']);

export const approvalRequestDraft = z.strictObject({
  model: modelKeySchema,
  version,
  transition,
  target: text(255).min(1),
  reason: text(2_000).default(''),
});
export type ApprovalRequestDraft = z.output<typeof approvalRequestDraft>;

const decisionView = z.object({
  approver: z.string(),
  decision: z.enum(['approved', 'rejected']),
  reason: z.string(),
  key: z.string(),
  signature: z.string(),
  at: z.number(),
});
export type ApprovalDecision = z.output<typeof decisionView>;

const requestView = approvalRequestDraft.extend({
  id: z.string(),
  reason: z.string(),
  /** The digest of everything in the version: what a decision is signed over. */
  digest: z.string(),
  status: requestStatus,
  /** How many people must approve. */
  needed: z.number().int(),
  requestedBy: z.string(),
  requestedAt: z.number(),
  decisions: z.array(decisionView),
});
export type ApprovalRequest = z.output<typeof requestView>;

export const signedDecision = z.strictObject({
  decision: z.enum(['approved', 'rejected']),
  reason: text(2_000).min(1),
  /** The id of the approver's key. */
  key: text(100).min(1),
  /** Ed25519 over `approvalStatement`, in base64. */
  signature: z.base64().max(200),
});
export type SignedDecision = z.output<typeof signedDecision>;

const keyView = z.object({
  id: z.string(),
  user: z.string(),
  publicKey: z.string(),
  enrolledAt: z.number(),
  revokedAt: z.number().nullable(),
});
export type ApproverKey = z.output<typeof keyView>;

const byRequest = z.object({ request: z.string().min(1).max(100) });

export const approvalRoutes = contract({
  requestApproval: route({
    method: 'POST',
    path: '/api/v1/approval-requests',
    summary: 'Ask for a version to be approved for one transition. The same again is the request that is pending',
    permission: 'registry:write',
    checksObjects: true,
    body: approvalRequestDraft,
    reply: requestView,
    errors: ['registry/model-not-found', 'registry/version-not-found', 'registry/version-deleted', 'governance/limit'],
    audit: 'approval.request',
  }),
  listApprovalRequests: route({
    method: 'GET',
    path: '/api/v1/approval-requests',
    summary: 'List approval requests with their decisions, newest first',
    permission: 'registry:read',
    checksObjects: true,
    query: pageQuery.extend({
      status: requestStatus.optional(),
      model: modelKeySchema.optional(),
      version: version.optional(),
    }),
    reply: pageOf(requestView),
    errors: ['governance/invalid-cursor'],
  }),
  getApprovalRequest: route({
    method: 'GET',
    path: '/api/v1/approval-requests/:request',
    summary: 'Describe an approval request: what a decision about it is signed over',
    permission: 'registry:read',
    checksObjects: true,
    params: byRequest,
    reply: requestView,
    errors: ['governance/request-not-found'],
  }),
  decideApproval: route({
    method: 'POST',
    path: '/api/v1/approval-requests/:request/decisions',
    summary: 'Approve or reject in the name of the caller, signed with a key of theirs. Nobody decides about their own',
    permission: 'registry:approve',
    params: byRequest,
    body: signedDecision,
    reply: requestView,
    errors: [
      'governance/request-not-found',
      'governance/request-over',
      'governance/own-version',
      'governance/key-unknown',
      'governance/signature-invalid',
    ],
    audit: 'approval.decide',
  }),
  withdrawApproval: route({
    method: 'DELETE',
    path: '/api/v1/approval-requests/:request',
    summary: 'Withdraw an approval request of the caller; what was decided stands',
    permission: 'registry:write',
    checksObjects: true,
    params: byRequest,
    reply: requestView,
    errors: ['governance/request-not-found', 'governance/request-over', 'governance/own-version'],
    audit: 'approval.withdraw',
  }),
  enrolApproverKey: route({
    method: 'POST',
    path: '/api/v1/approver-keys',
    summary: 'Enrol an Ed25519 public key that the caller signs approvals with',
    permission: 'registry:approve',
    body: z.strictObject({ publicKey: text(2_000).min(1) }),
    reply: keyView,
    errors: ['governance/key-invalid', 'governance/key-unknown', 'governance/limit'],
    audit: 'approver-key.enrol',
  }),
  listApproverKeys: route({
    method: 'GET',
    path: '/api/v1/approver-keys',
    summary: 'List the public keys of approvers, of one user if told, also those that were revoked',
    permission: 'registry:read',
    query: z.object({ user: text(300).optional() }),
    reply: z.object({ items: z.array(keyView) }),
  }),
  revokeApproverKey: route({
    method: 'DELETE',
    path: '/api/v1/approver-keys/:key',
    summary: 'Revoke a key of the caller. Approvals that were signed with it do not count any more',
    permission: 'registry:approve',
    params: z.object({ key: z.string().min(1).max(100) }),
    reply: keyView,
    errors: ['governance/key-not-found', 'governance/key-unknown'],
    audit: 'approver-key.revoke',
  }),
});
