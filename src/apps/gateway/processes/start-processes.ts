import type { ChildProcess } from 'node:child_process';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { sleep } from '#core/clock';
import { childEnvironment, containerEnvironment } from '#platform/config';
import type { ProcessView, Protocol, Question } from '#serving';
import type { ProcessBase, RunningProcess } from '../../process.ts';
import { type ChildSpec, supervise } from '../../supervisor/supervise.ts';
import { Dispatcher } from './dispatcher.ts';
import { type FromProcess, type ToProcess, toldError } from './messages.ts';
import { type Asked, Relay } from './relay.ts';
import { TokenTable } from './token-table.ts';

/** Of all processes of a gateway together. */
const CONNECTIONS_MAX = 20_000;
/** How often it is looked whether a process has more connections than others, as after one was started again. */
const BALANCE_MS = 1_000;

interface Member extends Asked {
  readonly child: ChildProcess;
  serving: boolean;
}

/**
 * The data plane as several processes: this one listens, keeps the others alive, spreads connections over them and puts
 * to all of them what concerns all. It serves nothing itself, and holds no models.
 */
export async function startGatewayProcesses(base: ProcessBase): Promise<RunningProcess> {
  const { config, system, logger } = base;
  const { port: containerPort } = containerEnvironment();
  const dispatcher = new Dispatcher<Member>(CONNECTIONS_MAX);
  const http = await listen('http', { host: config.host, port: containerPort ?? config.gatewayPort }, dispatcher);
  const grpc = await listen('grpc', { host: config.host, port: config.grpcPort }, dispatcher);
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const url = `${config.tlsCert === '' ? 'http' : 'https'}://${host}:${portOf(http)}`;
  const processes = new Processes({ base, dispatcher, url, grpcAddress: `${config.host}:${portOf(grpc)}` });
  const supervisor = supervise(processes.specs, {
    system,
    logger,
    onStart: (spec, child) => processes.add(spec, child),
  });
  const stop = new AbortController();
  const stopAll = async (): Promise<void> => {
    stop.abort();
    // Connections that are with a process go on until it has drained them.
    http.close();
    grpc.close();
    await supervisor.stop();
    dispatcher.close();
  };
  try {
    await supervisor.ready;
  } catch (error) {
    await stopAll();
    throw error;
  }
  void processes.balance(stop.signal);
  return { ready: { url, grpc: `${config.host}:${portOf(grpc)}` }, stop: stopAll };
}

interface ProcessesOptions {
  readonly base: ProcessBase;
  readonly dispatcher: Dispatcher<Member>;
  readonly url: string;
  readonly grpcAddress: string;
}

/** The processes that serve. */
class Processes {
  readonly specs: readonly (ChildSpec & { readonly place: number })[];
  readonly #options: ProcessesOptions;
  readonly #relay: Relay;
  readonly #tokens: TokenTable;
  readonly #members = new Map<number, Member>();
  readonly #starts = new Map<number, number>();
  readonly #routed = new Set<number>();
  #allReady = false;

  constructor(options: ProcessesOptions) {
    const { config, system } = options.base;
    this.#options = options;
    this.#relay = new Relay(system.clock, config.gatewayProcesses);
    this.#tokens = new TokenTable(system.clock);
    const env = childEnvironment(config);
    this.specs = Array.from({ length: config.gatewayProcesses }, (_, i) => ({
      ...{ name: `gateway-${i + 1}`, place: i + 1, module: 'gateway/main.ts', args: ['--place', String(i + 1)] },
      ...{ serialization: 'advanced' as const, env },
    }));
  }

  add({ name }: ChildSpec, child: ChildProcess): void {
    const { url, grpcAddress, base } = this.#options;
    const place = this.specs.find((spec) => spec.name === name)?.place ?? 0;
    const member: Member = {
      ...{ place, child, serving: false },
      send: (id, question) => tell(child, { type: 'question', id, question }),
    };
    this.#members.set(place, member);
    this.#starts.set(place, (this.#starts.get(place) ?? 0) + 1);
    const begin = { place, count: this.specs.length, url, grpcAddress };
    tell(child, { type: 'begin', ...begin, inherited: this.#relay.inherited(place), replay: this.#relay.replay });
    this.#relay.began(member);
    if (this.#allReady) tell(child, { type: 'all-ready' });
    child.on('message', (message: FromProcess) => this.#receive(member, message));
    // Its last event: what it sent before it died has been read, so it is known which connections it has taken. Node
    // tells of no disconnect while a connection is on its way.
    child.once('close', () => {
      base.logger.debug({ place }, 'the connections of a process are over');
      this.#options.dispatcher.leave(member);
      this.#relay.left(member);
      if (this.#members.get(place) === member) this.#members.delete(place);
    });
  }

  /** Has processes with more connections than others end some, until the gateway stops. */
  async balance(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.base.system.clock, BALANCE_MS, signal);
      if (this.#members.size < this.specs.length) continue;
      for (const [{ child }, connections] of this.#options.dispatcher.surplus()) {
        tell(child, { type: 'give-up', connections });
      }
    }
  }

  #receive(member: Member, message: FromProcess): void {
    const { dispatcher } = this.#options;
    const { child } = member;
    switch (message.type) {
      case 'ready':
        member.serving = true;
        this.#relay.serves(member);
        dispatcher.join(member, (id, protocol, socket) => {
          // Kept open here until the process tells that it is there; when this fails, the process is about to leave.
          child.send({ type: 'connection', id, protocol }, socket, { keepOpen: true }, () => undefined);
        });
        return;
      case 'routed':
        this.#nowRouted(member);
        return;
      case 'taken':
        dispatcher.taken(member, message.id);
        return;
      case 'closed':
        dispatcher.closed(member, message.protocol);
        return;
      case 'ask':
        this.#ask(child, message);
        return;
      case 'answer':
        this.#relay.answered(member, message.id, message.answer);
        return;
      case 'no-answer':
        this.#relay.refused(member, message.id, message.error);
        return;
      case 'list':
        tell(child, { type: 'processes', id: message.id, processes: this.#views() });
        return;
      case 'take':
        tell(child, { type: 'tokens', id: message.id, outcome: this.#tokens.take(message.takes) });
    }
  }

  /** All are ready once each has had a routing table: one that is started again takes no traffic before it has. */
  #nowRouted({ place }: Member): void {
    this.#routed.add(place);
    if (this.#allReady || this.#routed.size < this.specs.length) return;
    this.#allReady = true;
    for (const { child } of this.#members.values()) tell(child, { type: 'all-ready' });
  }

  #ask(child: ChildProcess, { id, question }: { readonly id: number; readonly question: Question }): void {
    this.#relay.ask(question).then(
      (answers) => tell(child, { type: 'answers', id, answers }),
      (error) => tell(child, { type: 'failed', id, error: toldError(error) }),
    );
  }

  #views(): readonly ProcessView[] {
    return this.specs.map(({ place }): ProcessView => {
      const member = this.#members.get(place);
      return {
        process: place,
        pid: member?.child.pid ?? null,
        state: member?.serving ? 'serving' : 'starting',
        starts: this.#starts.get(place) ?? 0,
        connections: member ? this.#options.dispatcher.connections(member) : 0,
      };
    });
  }
}

/** A process that is gone is told nothing. */
function tell(child: ChildProcess, message: ToProcess): void {
  child.send(message, undefined, {}, () => undefined);
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function listen(protocol: Protocol, { host, port }: Address, dispatcher: Dispatcher<Member>): Promise<Server> {
  // Nothing is read here: what a client has sent is for the process that the connection goes to.
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    // A client that leaves before its connection is placed is nobody's loss.
    socket.on('error', () => undefined);
    dispatcher.offer(protocol, socket);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => resolve(server));
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
