import { statSync } from 'node:fs';
import type { Clock } from '#core/clock';
import {
  assertRequest,
  type Execution,
  type ExecutionRequest,
  type Executor,
  executorErrors,
  type Isolated,
} from '#ports/executor';
import { type Cgroup, openCgroup } from './cgroup.ts';
import { ProcessExecution } from './execution.ts';
import { IsolationProbe } from './isolation.ts';
import { ProcessPool } from './process-pool.ts';

export interface ProcessExecutorOptions {
  readonly clock: Clock;
  /**
   * The environment of this process. A command gets {@link INHERITED_VARIABLES} of it, unless its request sets them;
   * nothing else, so that credentials of the platform do not reach the code of its users.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** More at the same time are refused with `executor/busy`. 256 by default. */
  readonly executionsMax?: number;
  /** Where control groups are mounted, `/sys/fs/cgroup` by default. */
  readonly cgroupRoot?: string;
  /** Processes that can serve more than one request are kept for the next. */
  readonly keepsProcesses?: boolean;
}

export interface ProcessExecutor extends Executor {
  /** Ends the processes that are kept for the next request. What runs goes on. */
  close(): Promise<void>;
}

/** What a command needs to be found, to write files and to print text; none of it is a secret. */
export const INHERITED_VARIABLES = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
] as const;

/** Of a kept process: its requests have limits of their own. */
const FOR_EVER = { wallMs: 2_147_483_647, outputBytesMax: Number.MAX_SAFE_INTEGER };

/** Starts commands as processes of this machine. */
export function openProcessExecutor(options: ProcessExecutorOptions): ProcessExecutor {
  const { clock, environment = {}, executionsMax = 256, cgroupRoot = '/sys/fs/cgroup', keepsProcesses } = options;
  const running = new Set<string>();
  const inherited = Object.fromEntries(
    INHERITED_VARIABLES.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
  const probe = new IsolationProbe(inherited);
  const pool = new ProcessPool({
    clock,
    start: (request, onOutput) =>
      new ProcessExecution(
        { ...request, onOutput, limits: FOR_EVER },
        {
          clock,
          env: { ...inherited, ...request.env },
          isFolder: true,
          cgroupRoot,
          command: request.command,
          keepsInput: true,
        },
      ),
  });
  return {
    close: () => pool.close(),
    async start(request: ExecutionRequest): Promise<Execution> {
      assertRequest(request);
      const { id } = request;
      if (running.has(id)) throw executorErrors.exists(`execution '${id}' is running`);
      if (running.size >= executionsMax) {
        throw executorErrors.busy(`${running.size} executions are running, the limit is ${executionsMax}`);
      }
      running.add(id);
      const isFolder = isDirectory(request.cwd);
      if (keepsProcesses && request.serves && !request.isolate && isFolder) {
        const execution = pool.serve(request);
        void execution.exited.then(() => running.delete(id));
        return execution;
      }
      const env = { ...inherited, ...request.env };
      const { cgroup, ...apart } = await surroundings(probe, request, `${process.hrtime.bigint()}`);
      const execution = new ProcessExecution(request, { clock, env, isFolder, cgroupRoot, ...apart });
      const free = (): void => {
        running.delete(id);
        void cgroup?.remove();
      };
      execution.exited.then(free, free);
      return execution;
    },
  };
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

interface Apart {
  readonly command: readonly string[];
  readonly isolated?: Isolated;
  readonly cgroup?: Cgroup;
}

/** Joins the groups whose files come before `--`, then becomes the command after it. */
const JOIN = 'while [ "$1" != -- ]; do echo 0 > "$1" || exit 126; shift; done; shift; exec "$@"';

/** The command within what keeps it apart, if it is to be. */
async function surroundings(probe: IsolationProbe, request: ExecutionRequest, id: string): Promise<Apart> {
  const { command, isolate, limits } = request;
  if (!isolate) return { command };
  const { wrap, namespaces, privileges } = await probe.find(isolate);
  const { memoryBytesMax: memoryBytes, cpusMax: cpus } = limits;
  const cgroup = await openCgroup(id, { memoryBytes, cpus });
  const joined = cgroup.files.length > 0 ? ['/bin/sh', '-c', JOIN, 'sh', ...cgroup.files, '--'] : [];
  const memory = cgroup.limits.includes('memory') ? 'group' : memoryBytes === undefined ? 'unlimited' : 'sampled';
  return {
    command: [...joined, ...wrap(command)],
    isolated: { namespaces, privileges, memory, cpu: cgroup.limits.includes('cpu') ? 'group' : 'unlimited' },
    cgroup,
  };
}
