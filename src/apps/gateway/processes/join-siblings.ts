import type { Socket } from 'node:net';
import { messageOf } from '#core/errors';
import type { Logger } from '#platform/observe';
import type { TokenOutcome } from '#ports/shared-state';
import type { Answers, Gateway, ProcessView, Question, Siblings } from '#serving';
import { type Begin, errorTold, type FromProcess, processErrors, type ToProcess, toldError } from './messages.ts';

interface Awaited {
  readonly done: (value: never) => void;
  readonly failed: (error: Error) => void;
}

type Served = Pick<Gateway, 'take' | 'respond' | 'giveUp'>;

/** This process among those of its gateway, by messages to the one that listens. */
export class JoinedSiblings implements Siblings {
  readonly #begin: Begin;
  readonly #awaited = new Map<number, Awaited>();
  #ids = 0;
  #ready = false;
  #isAlone = false;
  /** What came before the gateway was there. */
  #early: (() => void)[] = [];
  #gateway: Served | undefined;
  readonly counts: Siblings['counts'] = {
    takeTokens: (takes) => this.#call<TokenOutcome>((id) => ({ type: 'take', id, takes })),
  };

  constructor(begin: Begin) {
    this.#begin = begin;
    process.on('message', (message: ToProcess, socket?: Socket) => this.#receive(message, socket));
    process.once('disconnect', () => {
      this.#isAlone = true;
      for (const { failed } of this.#awaited.values()) failed(alone());
      this.#awaited.clear();
    });
  }

  get place(): number {
    return this.#begin.place;
  }

  get count(): number {
    return this.#begin.count;
  }

  get url(): string {
    return this.#begin.url;
  }

  get grpcAddress(): string {
    return this.#begin.grpcAddress;
  }

  get inherited(): Begin['inherited'] {
    return this.#begin.inherited;
  }

  get ready(): boolean {
    return this.#ready;
  }

  routed(): void {
    tell({ type: 'routed' });
  }

  closed(protocol: 'http' | 'grpc'): void {
    tell({ type: 'closed', protocol });
  }

  ask<Name extends keyof Answers>(question: Extract<Question, { ask: Name }>): Promise<readonly Answers[Name][]> {
    return this.#call((id) => ({ type: 'ask', id, question }));
  }

  processes(): Promise<readonly ProcessView[]> {
    return this.#call((id) => ({ type: 'list', id }));
  }

  /** From now on the gateway answers; first it does again what clients had the others do. */
  async serve(gateway: Served, logger: Logger): Promise<void> {
    for (const question of this.#begin.replay) {
      await gateway.respond(question).catch((error) => {
        logger.warn({ ask: question.ask }, `cannot be done again in a new process: ${messageOf(error)}`);
      });
    }
    this.#gateway = gateway;
    for (const work of this.#early.splice(0)) work();
  }

  #call<Value>(message: (id: number) => FromProcess): Promise<Value> {
    if (this.#isAlone) return Promise.reject(alone());
    const id = ++this.#ids;
    return new Promise((done, failed) => {
      this.#awaited.set(id, { done, failed });
      tell(message(id));
    });
  }

  #receive(message: ToProcess, socket: Socket | undefined): void {
    switch (message.type) {
      case 'connection':
        // Told before anything is read: a connection that is not told of goes to another process when this one dies.
        tell({ type: 'taken', id: message.id });
        if (socket) this.#withGateway((gateway) => gateway.take(socket, message.protocol));
        return;
      case 'question':
        this.#withGateway((gateway) => this.#respond(gateway, message));
        return;
      case 'answers':
        this.#settle(message.id, message.answers);
        return;
      case 'processes':
        this.#settle(message.id, message.processes);
        return;
      case 'tokens':
        this.#settle(message.id, message.outcome);
        return;
      case 'failed':
        this.#awaited.get(message.id)?.failed(errorTold(message.error));
        this.#awaited.delete(message.id);
        return;
      case 'all-ready':
        this.#ready = true;
        return;
      case 'give-up':
        this.#withGateway((gateway) => gateway.giveUp(message.connections));
    }
  }

  #respond(gateway: Served, { id, question }: { readonly id: number; readonly question: Question }): void {
    gateway.respond(question).then(
      (answer) => tell({ type: 'answer', id, answer }),
      (error) => tell({ type: 'no-answer', id, error: toldError(error) }),
    );
  }

  #withGateway(work: (gateway: Served) => void): void {
    const gateway = this.#gateway;
    if (gateway) work(gateway);
    else this.#early.push(() => this.#gateway && work(this.#gateway));
  }

  #settle(id: number, value: unknown): void {
    this.#awaited.get(id)?.done(value as never);
    this.#awaited.delete(id);
  }
}

/** Waits for what the process that listens tells first. */
export function joinSiblings(): Promise<JoinedSiblings> {
  return new Promise((resolve, reject) => {
    process.once('message', (message: ToProcess) => {
      if (message.type === 'begin') resolve(new JoinedSiblings(message));
      else reject(new Error(`expected 'begin', found '${message.type}'`));
    });
  });
}

function alone(): Error {
  return processErrors.alone('the process that listens has ended, and this one is about to');
}

/** Into the void when the process that listens is gone: this one ends as well. */
function tell(message: FromProcess): void {
  process.send?.(message, undefined, {}, () => undefined);
}
