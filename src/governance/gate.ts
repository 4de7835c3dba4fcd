import type { Context } from '#platform/db';
import type { DomainDeps } from '#platform/domain';
import { partsOfKey, type RegistryGate, type RegistryGateRequest, versionSubject } from '#registry';
import { circumstancesOf } from './circumstances.ts';
import type { GateDecision } from './contract.ts';
import { gateDecided } from './events.ts';
import { evaluate, evidenceDigest } from './model.ts';
import { policiesFor } from './policies.ts';
import { insertDecision, waiversInForce } from './store.ts';

/**
 * The gate that registry and serving ask. Each decision is recorded, with its audit entry and event, in a transaction
 * of its own: whoever asks does so before its own transaction, never inside it.
 */
export function createGate({ db, resources, system }: DomainDeps): RegistryGate {
  return {
    async decide(request) {
      const policies = await policiesFor(resources, request);
      const waivers = policies.length > 0 ? await waiversInForce(db.reader, request) : [];
      const circumstances = policies.length > 0 ? await circumstancesOf(db.reader, request) : {};
      const verdict = evaluate(policies, request.evidence, waivers, circumstances);
      const context: Context = {
        ...{ actor: { id: request.actor, roles: [] }, action: 'gate.decide' },
        project: partsOfKey(request.model).project,
      };
      await db.transact(context, async (tx) => {
        const decision: GateDecision = {
          id: system.ids.next('gd'),
          ...askedOf(request),
          cause: request.cause ?? null,
          allow: verdict.allow,
          policies: policies.map(({ name, generation }) => ({ name, generation })),
          satisfied: verdict.allow ? [...verdict.satisfied] : [],
          missing: verdict.allow ? [] : [...verdict.missing],
          waivers: waivers.map((waiver) => waiver.id),
          evidenceDigest: evidenceDigest(request.evidence),
          at: tx.now,
        };
        await insertDecision(tx.db, decision);
        const subject = versionSubject(request.model, request.version);
        const { id, allow, missing, waivers: used, evidenceDigest: digest } = decision;
        const { transition, target } = request;
        const names = policies.map(({ name }) => name);
        const detail = { allow, transition, target, missing, policies: names, decision: id };
        tx.audit(subject, { ...detail, waivers: used, evidence: digest });
        tx.emit(gateDecided.draft(subject, { ...askedOf(request), ...detail }));
      });
      return verdict;
    },
  };
}

function askedOf({ model, version, transition, target, actor }: RegistryGateRequest) {
  return { model, version, transition, target, actor };
}
