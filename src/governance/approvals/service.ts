import type { Page } from '#platform/contract';
import type { Context, Tx } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import { appendApproval, isIndependent, requireLive, versionSubject } from '#registry';
import { governanceErrors } from '../errors.ts';
import { policiesFor } from '../policies.ts';
import { inProjectOf } from '../scope.ts';
import type { ApprovalRequest, ApprovalRequestDraft, ApproverKey, SignedDecision } from './contract.ts';
import { isSignedBy, readPublicKey } from './signature.ts';
import * as store from './store.ts';

const PENDING_MAX = 100;
const KEYS_MAX = 20;

export type RequestQuery = Omit<store.RequestFilter, 'after'> & { readonly after?: string | undefined };

/** Maker and checker: who made or proposed a version asks, somebody else decides, with a signature of their own. */
export class ApprovalService {
  readonly #deps: DomainDeps;

  constructor(deps: DomainDeps) {
    this.#deps = deps;
  }

  /** Asks for approval; the same again is the request that is pending. */
  async request(context: Context, draft: ApprovalRequestDraft): Promise<ApprovalRequest> {
    const { db, resources, system } = this.#deps;
    const needed = peopleNeeded(await policiesFor(resources, draft));
    return db.react(context, async (tx) => {
      const { digest } = await requireLive(tx.db, draft);
      const { model, version, transition, target } = draft;
      const pending = await store.listRequests(tx.db, { model, version, status: 'pending', limit: PENDING_MAX });
      const same = pending.find((one) => one.transition === transition && one.target === target);
      if (same) return same;
      if (pending.length === PENDING_MAX) {
        throw governanceErrors.limit(`version ${version} has ${PENDING_MAX} approval requests that are pending`);
      }
      const by = { requestedBy: context.actor.id, requestedAt: tx.now };
      const id = system.ids.next('ar');
      const request: ApprovalRequest = { ...draft, ...by, id, digest, needed, status: 'pending', decisions: [] };
      await store.insertRequest(tx.db, request);
      tx.as(inProjectOf(context, model)).audit(versionSubject(model, version), {
        transition,
        target,
        needed,
        reason: draft.reason,
        request: id,
      });
      return request;
    });
  }

  /** Newest first. */
  async list({ after, ...query }: RequestQuery): Promise<Page<ApprovalRequest>> {
    const filter = { ...query, after: after === undefined ? undefined : cursor(after), limit: query.limit + 1 };
    const items = await store.listRequests(this.#deps.db.reader, filter);
    const last = items[query.limit - 1];
    if (items.length <= query.limit || !last) return { items };
    return { items: items.slice(0, query.limit), next: `${last.requestedAt}:${last.id}` };
  }

  async get(id: string): Promise<ApprovalRequest> {
    return requireRequest(this.#deps.db.reader, id);
  }

  /**
   * Decides in the name of the actor. The signature must be by a key of theirs over exactly this decision; whoever
   * registered, caused or proposed the version does not decide. An approval becomes evidence of the version.
   */
  async decide(context: Context, id: string, given: SignedDecision): Promise<ApprovalRequest> {
    const { db, system } = this.#deps;
    const approver = context.actor.id;
    return db.transact(context, async (tx) => {
      const request = await requirePending(tx, id);
      await refuseOwn(tx, request, approver);
      await requireSignature(tx, { request, given, approver });
      const { decision, reason, key, signature } = given;
      const decided = { approver, decision, reason, key, signature, at: tx.now };
      await store.insertDecision(tx.db, { request: id, number: request.decisions.length + 1, decision: decided });
      const decisions = [...request.decisions, decided];
      const status = statusAfter(request.needed, decisions);
      await store.setRequestStatus(tx.db, id, status);
      const { model, version, transition, target, digest } = request;
      const signed = { transition, target, request: id, model, digest, key, signature };
      const approval = { id: system.ids.next('ev'), approved: decision === 'approved', reason, signed };
      await appendApproval(tx, context, { model, version }, approval);
      tx.as(inProjectOf(context, model)).audit(versionSubject(model, version), {
        decision,
        reason,
        status,
        ...signed,
        version,
      });
      return { ...request, status, decisions };
    });
  }

  async withdraw(context: Context, id: string): Promise<ApprovalRequest> {
    return this.#deps.db.transact(context, async (tx) => {
      const request = await requirePending(tx, id);
      if (request.requestedBy !== context.actor.id) {
        throw governanceErrors['own-version'](`only ${request.requestedBy} withdraws request '${id}'`);
      }
      await store.setRequestStatus(tx.db, id, 'withdrawn');
      tx.as(inProjectOf(context, request.model)).audit(versionSubject(request.model, request.version), {
        withdrawn: id,
      });
      return { ...request, status: 'withdrawn' };
    });
  }

  /** A key is one person's for ever: nobody else can enrol it, also after it was revoked. */
  async enrol(context: Context, pem: string): Promise<ApproverKey> {
    const { id, publicKey } = readPublicKey(pem);
    const user = context.actor.id;
    return this.#deps.db.react(context, async (tx) => {
      const known = await store.findKey(tx.db, id);
      if (known && (known.user !== user || known.revokedAt !== null)) {
        throw governanceErrors['key-unknown'](`key ${id} is somebody else's, or was revoked`);
      }
      if (known) return known;
      if ((await store.listKeys(tx.db, user)).length >= KEYS_MAX) {
        throw governanceErrors.limit(`${user} has ${KEYS_MAX} keys, which is the limit`);
      }
      const key: ApproverKey = { id, user, publicKey, enrolledAt: tx.now, revokedAt: null };
      await store.insertKey(tx.db, key);
      tx.audit(`approver/${user}`, { key: id, publicKey });
      return key;
    });
  }

  keys(user?: string): Promise<ApproverKey[]> {
    return store.listKeys(this.#deps.db.reader, user);
  }

  /** Approvals that were signed with it do not count from now on. Again, it changes nothing. */
  async revoke(context: Context, id: string): Promise<ApproverKey> {
    return this.#deps.db.react(context, async (tx) => {
      const key = await store.findKey(tx.db, id);
      if (!key) throw governanceErrors['key-not-found'](`there is no key ${id}`);
      if (key.user !== context.actor.id) throw governanceErrors['key-unknown'](`key ${id} is somebody else's`);
      if (key.revokedAt !== null) return key;
      await store.revokeKey(tx.db, id, tx.now);
      tx.audit(`approver/${key.user}`, { revoked: id });
      return { ...key, revokedAt: tx.now };
    });
  }
}

function peopleNeeded(policies: Awaited<ReturnType<typeof policiesFor>>): number {
  const asked = policies.flatMap(({ spec }) => spec.require.map((one) => ('approvals' in one ? one.approvals : 0)));
  return Math.max(1, ...asked);
}

function statusAfter(needed: number, decisions: ApprovalRequest['decisions']): ApprovalRequest['status'] {
  if (decisions.some(({ decision }) => decision === 'rejected')) return 'rejected';
  return decisions.length >= needed ? 'approved' : 'pending';
}

async function requireRequest(db: store.Db, id: string): Promise<ApprovalRequest> {
  const request = await store.findRequest(db, id);
  if (!request) throw governanceErrors['request-not-found'](`there is no approval request '${id}'`);
  return request;
}

async function requirePending(tx: Tx, id: string): Promise<ApprovalRequest> {
  const request = await requireRequest(tx.db, id);
  if (request.status === 'pending') return request;
  throw governanceErrors['request-over'](`approval request '${id}' is ${request.status}`);
}

async function refuseOwn(tx: Tx, request: ApprovalRequest, approver: string): Promise<void> {
  const version = await requireLive(tx.db, request);
  const name = `version ${request.version} of '${request.model}'`;
  if (!isIndependent(version, approver)) {
    throw governanceErrors['own-version'](`${approver} made ${name}: somebody else must decide about it`);
  }
  if (request.requestedBy === approver) {
    throw governanceErrors['own-version'](`${approver} proposed ${name}: somebody else must decide about it`);
  }
  if (request.decisions.some((one) => one.approver === approver)) {
    throw governanceErrors['request-over'](`${approver} has decided about request '${request.id}'`);
  }
}

async function requireSignature(
  tx: Tx,
  {
    request,
    given,
    approver,
  }: { readonly request: ApprovalRequest; readonly given: SignedDecision; readonly approver: string },
): Promise<void> {
  const key = await store.findKey(tx.db, given.key);
  if (key?.user !== approver || key.revokedAt !== null) {
    throw governanceErrors['key-unknown'](`${given.key} is not a key that ${approver} signs with`);
  }
  if (isSignedBy(key.publicKey, { ...request, ...given, request: request.id }, given.signature)) return;
  throw governanceErrors['signature-invalid'](`the signature is not by ${given.key} over this decision`);
}

function cursor(text: string): { at: number; id: string } {
  const [, at, id] = /^(\d{1,15}):(.+)$/s.exec(text) ?? [];
  if (at !== undefined && id !== undefined) return { at: Number(at), id };
  throw governanceErrors['invalid-cursor'](`after: '${text.slice(0, 100)}' is not the 'next' of a page before`);
}
