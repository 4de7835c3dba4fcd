import { randomBytes } from 'node:crypto';
import type { Cause } from '#core/cause';
import { KedgeError } from '#core/errors';
import type { Json } from '#core/json';
import { datasetCommitted } from '#datasets';
import type { Page } from '#platform/contract';
import type { Context, Tx } from '#platform/db';
import type { DomainDeps, Job } from '#platform/domain';
import { type Consumer, eventTypes, type PlatformEvent } from '#platform/events';
import { pipelineErrors } from '../errors.ts';
import { pipelineRunFinished } from '../events.ts';
import { originOf } from '../record/store.ts';
import { freezeOf } from '../schedules/model.ts';
import { freezesIn } from '../schedules/service.ts';
import { causeSchema } from '../shapes.ts';
import { findRun, type StoredRun } from '../store/runs.ts';
import { endWaits } from '../waits/happened.ts';
import { awaitedTypes } from '../waits/store.ts';
import type { FiringView, TriggerView } from './contract.ts';
import { triggerHeld } from './events.ts';
import { fieldsOfEvent } from './fields.ts';
import { decideTrigger, type TriggerFact, type TriggerOutcome, triggerParams } from './model.ts';
import { REPLAY_MS, refusalOf, type SignedRequest } from './signature.ts';
import {
  dueTriggers,
  findTrigger,
  insertFiring,
  listFirings,
  listSources,
  listTriggers,
  listTriggersWithLast,
  noteDelivery,
  type StoredTrigger,
  saveTrigger,
} from './store.ts';
import { matches } from './where.ts';

const LOOK_EVERY_MS = 1_000;
const DUE_MAX = 100;
const SYSTEM: Context = { actor: { id: 'system:triggers', roles: ['system'] }, action: 'trigger.fire' };

interface TriggerDeps extends DomainDeps {
  startRunIn(
    tx: Tx,
    request: {
      readonly pipeline: string;
      readonly params: Readonly<Record<string, unknown>>;
      readonly cause: Cause;
    },
  ): Promise<{ readonly run: string }>;
}

/** Starts runs when something happens. Each event is taken once, and what it starts is remembered through restarts. */
export class Triggers {
  readonly #deps: TriggerDeps;

  constructor(deps: TriggerDeps) {
    this.#deps = deps;
  }

  job(): Job {
    return { name: 'pipelines/triggers', everyMs: LOOK_EVERY_MS, run: () => this.look() };
  }

  /** Takes events for triggers, and for the steps that wait for one: both are asked about each event once. */
  consumer(): Consumer {
    return {
      name: 'pipelines.triggers',
      types: [...eventTypes().keys()],
      wantedTypes: async (db) => [...(await wantedTypes(db)), ...(await awaitedTypes(db))],
      action: 'trigger.fire',
      handle: async (tx, event) => {
        await endWaits(tx, event);
        await this.#happened(tx, `event/${event.type}`, event);
        if (event.type === datasetCommitted.type) {
          return this.#happened(tx, `dataset/${datasetCommitted.read(event).dataset}`, event);
        }
        if (event.type !== pipelineRunFinished.type) return;
        return this.#happened(tx, `pipeline/${pipelineRunFinished.read(event).pipeline}`, event);
      },
    };
  }

  /** Starts what has waited long enough. */
  async look(): Promise<void> {
    const { db, system } = this.#deps;
    for (const name of await dueTriggers(db.reader, system.clock.now(), DUE_MAX)) {
      await db.react(SYSTEM, async (tx) => {
        const trigger = await findTrigger(tx.db, name);
        if (trigger) await this.#time(tx, trigger);
      });
    }
  }

  async list(): Promise<TriggerView[]> {
    return (await listTriggersWithLast(this.#deps.db.reader)).map(({ trigger, last }) => {
      const { name, spec, state, secret } = trigger;
      return { trigger: name, ...spec, dueAt: state.pending?.dueAt ?? null, hasSecret: secret !== null, last };
    });
  }

  async firings(
    name: string,
    page: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Page<FiringView> & { items: FiringView[] }> {
    const { reader } = this.#deps.db;
    if (!(await findTrigger(reader, name))) throw notFound(name);
    const found = await listFirings(reader, { trigger: name, after: page.after, limit: page.limit + 1 });
    const items = found.slice(0, page.limit);
    return found.length > page.limit ? { items, next: items.at(-1)?.firing } : { items };
  }

  async makeSecret(context: Context, name: string): Promise<{ secret: string; path: string }> {
    const secret = randomBytes(32).toString('base64url');
    await this.#deps.db.transact(context, async (tx) => {
      const trigger = await findTrigger(tx.db, name);
      if (!trigger) throw notFound(name);
      if (!('webhook' in trigger.spec.on)) throw pipelineErrors['not-a-webhook'](`trigger '${name}' has no webhook`);
      await saveTrigger(tx.db, { ...trigger, secret });
      tx.audit(`trigger/${name}`, { secret: 'made' });
    });
    return { secret, path: `/hooks/triggers/${name}` };
  }

  /**
   * Takes a signed request. Errors: `pipelines/webhook-refused`, also for a trigger that is not there, has no
   * webhook or no secret, so that nobody learns which there are.
   */
  async deliver(name: string, request: SignedRequest): Promise<{ readonly repeated: boolean }> {
    const { db, system } = this.#deps;
    // Anybody can send, so what is not genuine is refused before it takes a place in the line of writers.
    await requireGenuine(db.reader, { name, request, now: system.clock.now() });
    const event = bodyOf(request.body);
    return db.react(SYSTEM, async (tx) => {
      const trigger = await requireGenuine(tx.db, { name, request, now: tx.now });
      const delivery = { name, id: request.id, at: tx.now };
      if (!(await noteDelivery(tx.db, delivery, tx.now - 2 * REPLAY_MS))) return { repeated: true };
      const cause = { kind: 'event', id: `webhook/${name}`, depth: 0 } as const;
      await this.#event(tx, trigger, { cause, event });
      return { repeated: false };
    });
  }

  async #happened(tx: Tx, source: string, event: PlatformEvent): Promise<void> {
    const triggers = await listTriggers(tx.db, source);
    const cause = triggers.length > 0 ? await causeOfEvent(tx, event) : undefined;
    if (!cause) return;
    const fields = fieldsOfEvent(event);
    for (const trigger of triggers) {
      const { on } = trigger.spec;
      if ('pipeline' in on && !on.status.some((wanted) => wanted === fields['status'])) continue;
      if ('event' in on && !matches(on.where, fields)) continue;
      await this.#event(tx, trigger, { cause, event: fields });
    }
  }

  async #event(
    tx: Tx,
    trigger: StoredTrigger,
    { cause, event }: { readonly cause: Cause; readonly event: Json },
  ): Promise<void> {
    const state = await this.#apply(tx, trigger, { kind: 'event', now: tx.now, cause, event });
    await this.#time(tx, { ...trigger, state });
  }

  async #time(tx: Tx, trigger: StoredTrigger): Promise<void> {
    const freeze = freezeOf(await freezesIn(this.#deps, tx), trigger.spec.pipeline, tx.now);
    const frozen = freeze && {
      until: Date.parse(freeze.spec.to),
      reason: `freeze '${freeze.name}': ${freeze.spec.reason}`,
    };
    await this.#apply(tx, trigger, { kind: 'time', now: tx.now, frozen });
  }

  async #apply(tx: Tx, trigger: StoredTrigger, fact: TriggerFact): Promise<StoredTrigger['state']> {
    const { state, outcome } = decideTrigger(trigger, trigger.state, fact);
    await saveTrigger(tx.db, { ...trigger, state });
    if (outcome) await this.#told(tx, trigger, outcome);
    return state;
  }

  async #told(tx: Tx, trigger: StoredTrigger, decided: TriggerOutcome): Promise<void> {
    const { name } = trigger;
    const said = decided.outcome === 'start' ? await this.#start(tx, trigger, decided) : { ...decided, run: null };
    const firing = this.#deps.system.ids.next('firing');
    await insertFiring(tx.db, { firing, trigger: name, at: tx.now, ...said });
    if (said.outcome === 'started') return;
    const told = { at: tx.now, outcome: said.outcome, reason: said.reason ?? '' };
    const { on } = trigger.spec;
    // What becomes of news of this kind is no news of this kind: two such triggers would answer each other for ever.
    const isAnswer = 'event' in on && on.event === triggerHeld.type;
    if (!isAnswer) tx.emit(triggerHeld.draft(`trigger/${name}`, { trigger: name, ...told }));
    tx.audit(`trigger/${name}`, told);
  }

  async #start(
    tx: Tx,
    { spec }: StoredTrigger,
    { cause, event, at }: TriggerOutcome & { outcome: 'start' },
  ): Promise<Pick<FiringView, 'outcome' | 'run' | 'reason'>> {
    try {
      const params = triggerParams(spec, { event, at });
      const { run } = await this.#deps.startRunIn(tx, { pipeline: spec.pipeline, params, cause });
      return { outcome: 'started', run, reason: null };
    } catch (error) {
      if (!(error instanceof KedgeError)) throw error;
      return { outcome: 'failed', run: null, reason: error.message };
    }
  }
}

/** The types of events that any trigger listens to. Others are not looked at, so they cost nothing. */
async function wantedTypes(db: Parameters<typeof listSources>[0]): Promise<string[]> {
  return (await listSources(db)).flatMap((source) => {
    const [kind, name = ''] = source.split('/');
    if (kind === 'event') return [name];
    return kind === 'dataset' ? [datasetCommitted.type] : kind === 'pipeline' ? [pipelineRunFinished.type] : [];
  });
}

/**
 * Why an event happened: what it says itself, or the cause of the run that it is about. Undefined for one about a run
 * that does work again to compare it, which is no news.
 */
async function causeOfEvent(tx: Tx, { data, subject }: PlatformEvent): Promise<Cause | undefined> {
  const { run, cause } = data as { readonly run?: unknown; readonly cause?: unknown };
  const found = typeof run === 'string' ? await findRun(tx.db, run) : undefined;
  if (found && (found.verifies !== null || (await isReproduced(tx, found)))) return undefined;
  const told = causeSchema.safeParse(cause);
  return told.success ? told.data : (found?.cause ?? { kind: 'event', id: subject, depth: 0 });
}

async function isReproduced(tx: Tx, { run, cause }: Pick<StoredRun, 'run' | 'cause'>): Promise<boolean> {
  if ((await originOf(tx.db, run)).reproduces !== undefined) return true;
  const parent = cause.within && (await findRun(tx.db, cause.within.run));
  return parent !== undefined && isReproduced(tx, parent);
}

/** The trigger, if the request is signed with its secret. Throws `pipelines/webhook-refused`. */
async function requireGenuine(
  db: Parameters<typeof findTrigger>[0],
  { name, request, now }: { readonly name: string; readonly request: SignedRequest; readonly now: number },
): Promise<StoredTrigger> {
  const trigger = await findTrigger(db, name);
  const secret = trigger && 'webhook' in trigger.spec.on ? trigger.secret : null;
  const refusal = refusalOf(request, secret ?? randomBytes(32).toString('hex'), now);
  if (trigger && secret !== null && refusal === undefined) return trigger;
  throw pipelineErrors['webhook-refused'](refusal ?? 'webhook-signature: no such trigger');
}

function notFound(name: string): KedgeError {
  return pipelineErrors['trigger-not-found'](`there is no trigger '${name}': declare it with kedge apply`);
}

/** The body as JSON; one that is empty says nothing. */
function bodyOf(bytes: Uint8Array): Json {
  if (bytes.length === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw pipelineErrors['webhook-refused']('the body is not JSON');
  }
}
