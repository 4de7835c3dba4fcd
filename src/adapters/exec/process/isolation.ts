import { execFile } from 'node:child_process';
import type { Isolated } from '#ports/executor';

/** What wraps a command so that it runs apart, and what that amounts to. */
export interface Isolation {
  readonly wrap: (command: readonly string[]) => readonly string[];
  readonly namespaces: Isolated['namespaces'];
  readonly privileges: Isolated['privileges'];
}

const PROBE_MS = 10_000;

/** Brings the loopback device of a fresh network up, without which nothing in it can talk to itself. */
const LOOPBACK = 'ip link set lo up && exec "$@"';

/**
 * Finds out what this machine lets a process do to itself, once: each way is tried with a command that does nothing.
 * Containers and hardened kernels refuse some of it, to root too.
 */
export class IsolationProbe {
  readonly #env: Readonly<Record<string, string>>;
  readonly #found = new Map<boolean, Promise<Isolation>>();

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
  }

  /** The strongest isolation there is, with the network of the machine or with one that holds nothing but itself. */
  find({ network }: { readonly network: boolean }): Promise<Isolation> {
    const found = this.#found.get(network) ?? this.#probe(network);
    this.#found.set(network, found);
    return found;
  }

  async #probe(network: boolean): Promise<Isolation> {
    const limits = await this.#firstThatRuns([['prlimit', '--core=0', 'nice', '-n', '5'], ['nice', '-n', '5'], []]);
    const drop = ['setpriv', '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all'];
    const apart = ['unshare', '--user', '--map-root-user', '--ipc', '--uts', '--pid', '--fork', '--kill-child'];
    const own = network ? [] : ['--net'];
    const loopback = network ? [] : ['sh', '-c', LOOPBACK, 'sh'];
    for (const proc of [['--mount-proc'], []]) {
      const prefix = [...apart, ...proc, ...own, ...loopback, ...limits, ...drop];
      if (!(await this.#runs(prefix))) continue;
      const namespaces = ['user', 'ipc', 'uts', 'pid', ...(proc.length > 0 ? ['mount' as const] : [])] as const;
      return isolation(prefix, [...namespaces, ...(network ? [] : ['network' as const])], true);
    }
    const dropped = [...limits, 'setpriv', '--no-new-privs'];
    if (await this.#runs(dropped)) return isolation(dropped, [], true);
    return isolation(limits, [], false);
  }

  async #firstThatRuns(prefixes: readonly (readonly string[])[]): Promise<readonly string[]> {
    for (const prefix of prefixes) if (await this.#runs(prefix)) return prefix;
    return [];
  }

  #runs(prefix: readonly string[]): Promise<boolean> {
    const [program = 'true', ...args] = [...prefix, 'true'];
    return new Promise((resolve) => {
      execFile(program, args, { env: this.#env, timeout: PROBE_MS }, (error) => resolve(error === null));
    });
  }
}

function isolation(prefix: readonly string[], namespaces: Isolated['namespaces'], privileges: boolean): Isolation {
  return { wrap: (command) => [...prefix, ...command], namespaces, privileges };
}
