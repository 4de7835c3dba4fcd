import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { backoffMs } from '#core/backoff';
import { errorCode, messageOf as reasonOf } from '#core/errors';
import type { System } from '#core/system';
import { webhookSignature } from '#core/webhook-signature';
import type { Logger, Metrics } from '#platform/observe';
import type { Notifier } from '#ports/notifier';
import { gatewayErrors, invalidField } from '../errors.ts';
import { readKept, writeKept } from '../kept-file.ts';
import { type Callback, type CallbackOutcome, callbackFileSchema, messageOf } from './callback.ts';

export interface CallbackOptions {
  /** What is on its way lies here, a file each. */
  readonly folder: string;
  /** What processes that are no more left, to be sent by this one. */
  readonly left?: readonly string[];
  /** Signs each message. */
  readonly secret: string;
  readonly notifier: Notifier;
}

interface CallbackDeps extends CallbackOptions {
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Answers that are worked on or still to be taken. */
export const OPEN_MAX = 1_000;
/** Of those that are over, the log keeps the last. */
const OVER_MAX = 1_000;
const URL_LENGTH_MAX = 2_000;
const TIMEOUT_MS = 10_000;
/** With the pauses below, the last attempt is about an hour after the first, as with webhooks. */
export const ATTEMPTS_MAX = 12;
const PAUSE = { baseMs: 1_000, capMs: 900_000 } as const;
const AT_ONCE = 20;
const ANSWER_LENGTH = 500;

/**
 * Sends answers that were not waited for to the addresses that their requests named. A request is written to disk
 * before it is accepted, so each accepted one leads to a message at least once: with its answer or error, or, where the
 * gateway ended before there was one, with that.
 */
export class Callbacks {
  readonly #deps: CallbackDeps;
  readonly #known = new Map<string, Callback>();
  /** Due, in order. */
  readonly #due: string[] = [];
  readonly #timers = new Map<string, () => void>();
  readonly #work = new Set<Promise<void>>();
  readonly #total: ReturnType<Metrics['counter']>;
  #sending = 0;
  #closed = false;

  constructor(deps: CallbackDeps) {
    this.#deps = deps;
    const told = 'Answers sent to the address that their request named, by what came of each attempt.';
    this.#total = deps.metrics.counter('kedge_gateway_callbacks_total', told, ['outcome']);
  }

  /** Takes up what the last run left. */
  async start(): Promise<void> {
    const { folder, left = [], system } = this.#deps;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const other of left) {
      for (const name of await namesIn(other)) await rename(join(other, name), join(folder, name));
    }
    const files = await Promise.all((await namesIn(folder)).map((name) => this.#read(join(folder, name))));
    const found = files.flatMap((file) => file ?? []).toSorted((a, b) => a.acceptedAt - b.acceptedAt);
    for (const { message: _, ...callback } of found) {
      this.#known.set(callback.id, callback);
      if (callback.status === 'waiting') this.#wait(callback);
      if (callback.status !== 'working') continue;
      const error = 'the gateway ended before there was an answer; send the request again';
      await this.#keep({ ...callback, dueAt: system.clock.now() }, messageOf(callback, { status: 503, error }));
    }
  }

  /** Refuses an address that nothing is sent to: `notify/invalid-target`, `gateway/invalid-request`. */
  async check(url: string): Promise<void> {
    if (url.length > URL_LENGTH_MAX) {
      throw invalidField('x-kedge-callback', `expected at most ${URL_LENGTH_MAX} characters`);
    }
    await this.#deps.notifier.check(url);
  }

  /** Is done once the request is on disk. Throws `gateway/busy` when too many are open. */
  async accept({ id, url, model }: Pick<Callback, 'id' | 'url' | 'model'>): Promise<void> {
    const open = [...this.#known.values()].filter(({ status }) => status === 'working' || status === 'waiting');
    if (open.length >= OPEN_MAX) {
      throw gatewayErrors.busy(`${OPEN_MAX} answers are on their way to their addresses, which is the limit`);
    }
    const now = this.#deps.system.clock.now();
    const callback: Callback = { id, url, model, acceptedAt: now, status: 'working', dueAt: now, attempts: [] };
    this.#known.set(id, callback);
    try {
      await this.#write(callback);
    } catch (error) {
      this.#known.delete(id);
      throw error;
    }
  }

  /** The request was not taken up after all. */
  async drop(id: string): Promise<void> {
    this.#known.delete(id);
    await rm(this.#pathOf(id), { force: true });
  }

  /** The answer is there: it is sent from now on, until it is taken. */
  settle(id: string, outcome: CallbackOutcome): void {
    const callback = this.#known.get(id);
    if (!callback) return;
    this.#track(this.#keep({ ...callback, dueAt: this.#deps.system.clock.now() }, messageOf(callback, outcome)));
  }

  /** How far it came; `undefined` for what is not known, or forgotten. */
  find(id: string): Callback | undefined {
    return this.#known.get(id);
  }

  /** What is open goes on with the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  async #keep(callback: Callback, message: string): Promise<void> {
    const waiting: Callback = { ...callback, status: 'waiting' };
    this.#known.set(callback.id, waiting);
    await this.#write(waiting, message);
    this.#wait(waiting);
  }

  #wait({ id, dueAt }: Callback): void {
    if (this.#closed) return;
    const { clock } = this.#deps.system;
    const due = (): void => {
      this.#timers.delete(id);
      this.#due.push(id);
      this.#sendDue();
    };
    this.#timers.set(id, clock.after(Math.max(0, dueAt - clock.now()), due));
  }

  #sendDue(): void {
    while (this.#sending < AT_ONCE && !this.#closed) {
      const id = this.#due.shift();
      if (id === undefined) return;
      this.#sending++;
      this.#track(
        this.#attempt(id).finally(() => {
          this.#sending--;
          this.#sendDue();
        }),
      );
    }
  }

  async #attempt(id: string): Promise<void> {
    const { system, notifier, secret } = this.#deps;
    const file = await this.#read(this.#pathOf(id));
    if (file?.message === undefined) {
      this.#known.delete(id);
      return;
    }
    const { message: body, ...callback } = file;
    const at = system.clock.now();
    const timestamp = String(Math.floor(at / 1_000));
    const headers = {
      ...{ 'content-type': 'application/json', 'user-agent': 'kedge-gateway' },
      ...{ 'webhook-id': id, 'webhook-timestamp': timestamp },
      'webhook-signature': webhookSignature({ id, timestamp, body }, secret),
    };
    const reply = await notifier.post({ url: callback.url, headers, body, timeoutMs: TIMEOUT_MS }).then(
      (one) => ({ delivered: one.status >= 200 && one.status < 300, answer: `${one.status} ${one.body}` }),
      (error: unknown) => ({ delivered: false, answer: reasonOf(error) }),
    );
    const attempts = [...callback.attempts, { at, answer: reply.answer.slice(0, ANSWER_LENGTH) }];
    const status = reply.delivered ? 'delivered' : attempts.length >= ATTEMPTS_MAX ? 'failed' : 'waiting';
    this.#total.inc({ outcome: status });
    const dueAt = system.clock.now() + Math.ceil(backoffMs(attempts.length, system.random, PAUSE));
    const next: Callback = { ...callback, attempts, status, dueAt };
    this.#known.set(id, next);
    await this.#write(next, status === 'waiting' ? body : undefined);
    if (status === 'waiting') this.#wait(next);
    else await this.#forget();
  }

  /** Leaves the last of those that are over. */
  async #forget(): Promise<void> {
    const over = [...this.#known.values()].filter(({ status }) => status === 'delivered' || status === 'failed');
    for (const { id } of over.slice(0, Math.max(0, over.length - OVER_MAX))) await this.drop(id);
  }

  #pathOf(id: string): string {
    return join(this.#deps.folder, `${id}.json`);
  }

  #write(callback: Callback, message?: string): Promise<void> {
    return writeKept(this.#pathOf(callback.id), { ...callback, ...(message === undefined ? {} : { message }) });
  }

  /** One that cannot be read is told of and left where it is; the others go on. */
  async #read(path: string) {
    try {
      return await readKept(path, callbackFileSchema);
    } catch (error) {
      this.#deps.logger.error({ err: error, path }, 'an answer that was to be sent to its address cannot be read');
      return undefined;
    }
  }

  #track(work: Promise<void>): void {
    const done = work
      .catch((error) => this.#deps.logger.error({ err: error }, 'an answer could not be kept for its address'))
      .finally(() => this.#work.delete(done));
    this.#work.add(done);
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
