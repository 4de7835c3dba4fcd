import { canonicalJson } from '#core/json';

/** What an approver signs: this decision about this content in this place, and nothing else. */
export interface ApprovalStatement {
  readonly request: string;
  readonly model: string;
  readonly version: number;
  /** The digest of everything in the version. */
  readonly digest: string;
  readonly transition: string;
  readonly target: string;
  readonly decision: 'approved' | 'rejected';
  readonly reason: string;
  /** The key that it is signed with. */
  readonly key: string;
}

/** The text whose UTF-8 bytes are signed with Ed25519: canonical JSON, so that everybody arrives at the same bytes. */
export function approvalStatement(statement: ApprovalStatement): string {
  const { request, model, version, digest, transition, target, decision, reason, key } = statement;
  return canonicalJson({
    format: 'kedge.approval/1',
    ...{ request, model, version, digest, transition, target, decision, reason, key },
  });
}
