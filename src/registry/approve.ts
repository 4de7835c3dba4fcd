import type { Json } from '#core/json';
import type { Context, Tx } from '#platform/db';
import { appendEvidence } from './evidence.ts';
import { requireLive } from './require.ts';
import type { Evidence, ModelVersion } from './shapes.ts';
import type { VersionKey } from './store/tables.ts';

/** Whether somebody had no hand in a version: they neither registered it, here or elsewhere, nor caused it. */
export function isIndependent(
  { createdBy, author, cause }: Pick<ModelVersion, 'createdBy' | 'author' | 'cause'>,
  person: string,
): boolean {
  if (author !== null && (person === author || person === `user:${author}`)) return false;
  return createdBy !== person && !(cause.kind === 'user' && cause.id === person);
}

export interface Approval {
  readonly id: string;
  readonly approved: boolean;
  readonly reason: string;
  /** What makes the approval checkable without this database: the statement's parts, the key and the signature. */
  readonly signed?: { readonly [key: string]: Json };
}

/** Appends an approval, or a refusal, in the name of the actor as evidence of kind `approval`. */
export async function appendApproval(
  tx: Tx,
  context: Context,
  key: VersionKey,
  { id, approved, reason, signed }: Approval,
): Promise<Evidence> {
  const approver = context.actor.id;
  const independent = isIndependent(await requireLive(tx.db, key), approver);
  const data = { ...signed, approver, independent, reason };
  return appendEvidence(tx, key, { kind: 'approval', passed: approved, data, id, by: approver });
}
