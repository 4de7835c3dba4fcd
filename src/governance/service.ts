import type { Page } from '#platform/contract';
import type { Context } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import { listEvidence, type RegistryGateRequest, requireLive, versionSubject } from '#registry';
import { circumstancesOf } from './circumstances.ts';
import type { Checklist, GateDecision, Waiver, WaiverDraft } from './contract.ts';
import { governanceErrors } from './errors.ts';
import { findingsOf, itemOf } from './model.ts';
import { type AppliedPolicy, policiesFor } from './policies.ts';
import { inProjectOf } from './scope.ts';
import {
  type Db,
  findDecision,
  findWaiver,
  insertWaiver,
  type Listing,
  listDecisions,
  listWaivers,
  revokeWaiver,
  waiversInForce,
} from './store.ts';

const WAIVERS_MAX = 100;

interface ListQuery extends Omit<Listing, 'after'> {
  readonly after?: string | undefined;
}

export class GovernanceService {
  readonly #deps: DomainDeps;

  constructor(deps: DomainDeps) {
    this.#deps = deps;
  }

  /** Newest first. */
  async decisions(query: ListQuery & { readonly allow?: boolean | undefined }): Promise<Page<GateDecision>> {
    return page(await listDecisions(this.#deps.db.reader, listing(query)), query.limit);
  }

  async decision(id: string): Promise<GateDecision> {
    const found = await findDecision(this.#deps.db.reader, id);
    if (!found) throw governanceErrors['decision-not-found'](`there is no decision '${id}'`);
    return found;
  }

  /** What a version shows and lacks for a transition, requirement by requirement. Records nothing. */
  async checklist(asked: Pick<RegistryGateRequest, 'model' | 'version' | 'transition' | 'target'>): Promise<Checklist> {
    const { db, resources } = this.#deps;
    const { digest } = await requireLive(db.reader, asked);
    const policies = await policiesFor(resources, asked);
    const evidence = await listEvidence(db.reader, asked);
    const waivers = await waiversInForce(db.reader, asked);
    const circumstances = await circumstancesOf(db.reader, { ...asked, digest, evidence });
    const items = findingsOf(policies, { evidence, waivers, ...circumstances });
    return { allow: items.every(({ met }) => met), policies: policies.map(({ name }) => name), items };
  }

  /** Newest first, also those that were revoked. */
  async waivers(query: ListQuery): Promise<Page<Waiver>> {
    return page(await listWaivers(this.#deps.db.reader, listing(query)), query.limit);
  }

  async waiver(id: string): Promise<Waiver> {
    return requireWaiver(this.#deps.db.reader, id);
  }

  /**
   * Waives requirements for one version and target: from now on the gate takes them as met there, and says so. A waiver
   * is no use against a policy that is changed to be not waivable afterwards.
   * Errors: `governance/not-waivable`, `governance/nothing-to-waive`, `governance/limit`.
   */
  async waive(context: Context, draft: WaiverDraft): Promise<Waiver> {
    const { db, resources, system } = this.#deps;
    requireWaivable(draft, await policiesFor(resources, draft));
    return db.transact(context, async (tx) => {
      if ((await waiversInForce(tx.db, draft)).length >= WAIVERS_MAX) {
        throw governanceErrors.limit(`version ${draft.version} has ${WAIVERS_MAX} waivers for '${draft.target}'`);
      }
      const given = { by: context.actor.id, at: tx.now, revokedBy: null, revokedAt: null };
      const waiver: Waiver = { id: system.ids.next('wv'), ...draft, ...given };
      await insertWaiver(tx.db, waiver);
      const { id: waived, transition, target, items, reason } = waiver;
      tx.as(inProjectOf(context, draft.model)).audit(versionSubject(draft.model, draft.version), {
        waived,
        transition,
        target,
        items,
        reason,
      });
      return waiver;
    });
  }

  /** Revokes a waiver. Again, it changes nothing. */
  async revokeWaiver(context: Context, id: string): Promise<Waiver> {
    return this.#deps.db.react(context, async (tx) => {
      const found = await requireWaiver(tx.db, id);
      if (found.revokedAt !== null) return found;
      await revokeWaiver(tx.db, id, context.actor.id, tx.now);
      tx.as(inProjectOf(context, found.model)).audit(versionSubject(found.model, found.version), { revoked: id });
      return { ...found, revokedBy: context.actor.id, revokedAt: tx.now };
    });
  }
}

async function requireWaiver(db: Db, id: string): Promise<Waiver> {
  const found = await findWaiver(db, id);
  if (!found) throw governanceErrors['waiver-not-found'](`there is no waiver '${id}'`);
  return found;
}

function requireWaivable(draft: WaiverDraft, policies: readonly AppliedPolicy[]): void {
  for (const item of draft.items) {
    const asking = policies.filter(({ spec }) => spec.require.some((requirement) => itemOf(requirement) === item));
    if (asking.length === 0) {
      throw governanceErrors['nothing-to-waive'](
        `no gate policy of '${draft.model}' requires '${item}' for the transition '${draft.transition}'`,
      );
    }
    const strict = asking.find(({ spec }) => !spec.waivable);
    if (strict) throw governanceErrors['not-waivable'](`gate policy '${strict.name}' does not let '${item}' be waived`);
  }
}

/** One item more than the page is asked for: when it is there, there is a next page. */
function listing<Query extends ListQuery>(query: Query): Omit<Query, 'after'> & Listing {
  const { after, ...rest } = query;
  return { ...rest, after: after === undefined ? undefined : cursor(after), limit: query.limit + 1 };
}

function page<T extends { readonly at: number; readonly id: string }>(items: T[], limit: number): Page<T> {
  const last = items[limit - 1];
  if (items.length <= limit || !last) return { items };
  return { items: items.slice(0, limit), next: `${last.at}:${last.id}` };
}

function cursor(text: string): { at: number; id: string } {
  const [, at, id] = /^(\d{1,15}):(.+)$/s.exec(text) ?? [];
  if (at !== undefined && id !== undefined) return { at: Number(at), id };
  throw governanceErrors['invalid-cursor'](`after: '${text.slice(0, 100)}' is not the 'next' of a page before`);
}
