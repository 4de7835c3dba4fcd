import { stat } from 'node:fs/promises';
import type { Clock } from '#core/clock';
import { assertRequest, type Execution, type ExecutionRequest, type Executor, executorErrors } from '#ports/executor';
import { ProcessExecution } from './execution.ts';

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

/** Starts commands as processes of this machine. */
export function openProcessExecutor(options: ProcessExecutorOptions): Executor {
  const { clock, environment = {}, executionsMax = 256, cgroupRoot = '/sys/fs/cgroup' } = options;
  const running = new Set<string>();
  const inherited = Object.fromEntries(
    INHERITED_VARIABLES.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])),
  );
  return {
    async start(request: ExecutionRequest): Promise<Execution> {
      assertRequest(request);
      const { id } = request;
      if (running.has(id)) throw executorErrors.exists(`execution '${id}' is running`);
      if (running.size >= executionsMax) {
        throw executorErrors.busy(`${running.size} executions are running, the limit is ${executionsMax}`);
      }
      running.add(id);
      const isFolder = await stat(request.cwd).then(
        (found) => found.isDirectory(),
        () => false,
      );
      const env = { ...inherited, ...request.env };
      const execution = new ProcessExecution(request, { clock, env, isFolder, cgroupRoot });
      const free = (): void => void running.delete(id);
      execution.exited.then(free, free);
      return execution;
    },
  };
}
