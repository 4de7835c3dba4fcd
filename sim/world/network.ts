import { KedgeError } from '#core/errors';
import type { Client, Contract, Problem } from '#platform/contract';
import { ProblemError } from '#platform/contract';
import type { Process } from './process.ts';
import type { World } from './world.ts';

/** A request as it is on the wire. */
export interface Message {
  readonly name: string;
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
}

/** A process that answers requests. */
export interface Server {
  readonly process: Process;
  /** Resolves to the reply, or throws what an HTTP server would make a problem of. */
  handle(message: Message): Promise<unknown>;
}

type Answer = { readonly value: unknown } | { readonly problem: Problem } | { readonly broken: string };

const LATENCY_MS_MAX = 4;
/** Longer than a client waits for an answer, at times. */
const LATE_MS_MAX = 40_000;

/** Carries requests and answers between processes, and loses, delays, doubles and reorders them. */
export class Network {
  readonly #world: World;
  /** Control planes, some of which may not be there. */
  readonly servers = new Map<string, Server>();
  /** Who is behind each instance of a worker. */
  readonly instances = new Map<string, Process>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A typed client of whichever control plane is reached. It behaves as the one over HTTP does. */
  client<const Routes extends Contract>(routes: Routes, process: Process): Client<Routes> {
    const call =
      (name: string) =>
      (input: CallInput = {}) =>
        this.#call(process, name, input);
    const entries = Object.keys(routes).map((name) => [name, call(name)]);
    return Object.fromEntries(entries) as Client<Routes>;
  }

  #call(from: Process, name: string, { signal, ...parts }: CallInput): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      const message: Message = JSON.parse(JSON.stringify({ name, ...parts }));
      this.#send(from, message, (answer) => {
        if (!from.alive) return;
        if ('value' in answer) resolve(answer.value);
        else reject('problem' in answer ? new ProblemError(answer.problem) : new Error(answer.broken));
      });
    });
  }

  #send(from: Process, message: Message, answered: (answer: Answer) => void): void {
    const world = this.#world;
    const names = [...this.servers.keys()];
    const name = names[world.random.int(names.length)] ?? '';
    const arrive = (): void => this.#arrive(from, { to: name, message, answered });
    const { died, instance } = (message.body ?? {}) as { readonly died?: boolean; readonly instance?: string };
    if (died && this.instances.get(instance ?? '')?.alive) {
      world.violated({ invariant: 8, message: `${from.name} says that ${instance} is dead, which is alive` });
    }
    this.#pass(from, `${message.name} of ${from.name}`, { arrive, broken: answered });
    if (world.chance(world.plan.messageDoubled)) {
      world.fault('message doubled', `${message.name} of ${from.name}`);
      world.at(world.between(0, 3_000), () => this.#arrive(from, { to: name, message, answered: () => {} }));
    }
    if (message.name === 'leaveWork' && world.chance(world.plan.goodbyeRepeated)) {
      world.fault('goodbye repeated late', from.name);
      world.at(world.between(500, LATE_MS_MAX / 2), () =>
        this.#arrive(from, { to: name, message, answered: () => {} }),
      );
    }
  }

  /** One way of a message: it arrives after a while, or late, or never, with or without a sign of that. */
  #pass(
    from: Process,
    what: string,
    { arrive, broken }: { readonly arrive: () => void; readonly broken: (answer: Answer) => void },
  ): void {
    const world = this.#world;
    const delayMs = world.between(0.1, LATENCY_MS_MAX);
    if (from.cutOff) return;
    if (world.chance(world.plan.messageLost)) {
      world.fault('message lost', what);
      if (world.chance(0.7)) world.at(delayMs, () => broken({ broken: 'the connection was reset' }));
      return;
    }
    if (world.chance(world.plan.messageLate)) {
      world.fault('message late', what);
      world.at(world.between(200, LATE_MS_MAX), arrive);
      return;
    }
    world.at(delayMs, arrive);
  }

  #arrive(
    from: Process,
    { to, message, answered }: { to: string; message: Message; answered: (answer: Answer) => void },
  ): void {
    const server = this.servers.get(to);
    if (!server?.process.alive) {
      this.#world.at(1, () => answered({ broken: 'the connection was refused' }));
      return;
    }
    this.#world.tell(() => `${to} <- ${from.name} ${message.name}`);
    let open = true;
    const back = (answer: Answer): void => {
      if (!open) return;
      open = false;
      const what = `the answer to ${message.name} of ${from.name}`;
      this.#pass(from, what, { arrive: () => answered(answer), broken: answered });
    };
    server.process.onDeath(() => {
      if (!open) return;
      open = false;
      // Its machine closes the connections of a process that died; a machine that died says nothing.
      if (this.#world.chance(0.8)) this.#world.at(1, () => answered({ broken: 'the connection was reset' }));
    });
    server.handle(message).then(
      (value) => back({ value: JSON.parse(JSON.stringify(value)) }),
      (error) => back({ problem: problemOf(error) }),
    );
  }
}

interface CallInput {
  readonly params?: unknown;
  readonly query?: unknown;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

function problemOf(error: unknown): Problem {
  const known = error instanceof KedgeError ? error : undefined;
  const { code, status, title } = known ?? { code: 'http/internal', status: 500, title: 'Kedge failed' };
  return { type: `https://kedge.dev/errors/${code}`, title, status, detail: String(error), code };
}
