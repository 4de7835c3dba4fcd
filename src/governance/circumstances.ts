import type { Json } from '#core/json';
import type { GateRequest } from '#ports/gate';
import { findAlias, listEvidence, type RegistryGateRequest, requireVersion } from '#registry';
import { isSignedBy } from './approvals/signature.ts';
import { type Db, findKey } from './approvals/store.ts';
import type { Circumstances, GateEvidence } from './model.ts';

const CHAMPION = 'champion';

type Asked = Pick<RegistryGateRequest, 'model' | 'version' | 'transition' | 'target' | 'digest'> & {
  readonly evidence: GateRequest['evidence'];
};

/**
 * What a decision looks at beside the evidence itself: what the champion showed, and which approvals are signed. The
 * signatures are verified here again, over the version's own digest and with the key that the approver enrolled, so an
 * approval that somebody wrote into the database does not count.
 */
export async function circumstancesOf(db: Db, asked: Asked): Promise<Circumstances> {
  const { model, version, transition, target } = asked;
  const champion = await findAlias(db, model, CHAMPION);
  const compared = champion === undefined || champion === version ? undefined : { model, version: champion };
  const approvals = asked.evidence.filter(({ kind }) => kind === 'approval');
  const digest = approvals.length === 0 ? '' : (asked.digest ?? (await requireVersion(db, { model, version })).digest);
  const signed = new Set<GateEvidence>();
  for (const approval of approvals) if (await verifies(db, approval, { version, digest })) signed.add(approval);
  return {
    transition,
    target,
    champion: compared && (await listEvidence(db, compared)),
    isSigned: (approval) => signed.has(approval),
  };
}

async function verifies(
  db: Db,
  { data, passed }: GateEvidence,
  { version, digest }: { readonly version: number; readonly digest: string },
): Promise<boolean> {
  const text = (name: string): string => textAt(data, name);
  const key = await findKey(db, text('key'));
  if (!key || key.revokedAt !== null || key.user !== text('approver')) return false;
  const statement = {
    ...{ request: text('request'), model: text('model'), version, digest },
    ...{ transition: text('transition'), target: text('target'), reason: text('reason'), key: key.id },
    decision: passed === true ? ('approved' as const) : ('rejected' as const),
  };
  return isSignedBy(key.publicKey, statement, text('signature'));
}

function textAt(data: Json, name: string): string {
  if (data === null || typeof data !== 'object' || Array.isArray(data) || !Object.hasOwn(data, name)) return '';
  const value = (data as { readonly [key: string]: Json })[name];
  return typeof value === 'string' ? value : '';
}
