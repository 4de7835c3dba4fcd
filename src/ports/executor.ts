import { defineErrors } from '#core/errors';

/**
 * Runs commands: pipeline steps, trials, batch shards, model servers.
 *
 * - The command is a list of words and is never given to a shell.
 * - The command sees exactly the environment variables it is given, and the few that the adapter documents.
 * - Nothing that the command started outlives its execution, as far as the adapter can see it; where it cannot, its
 *   README says so.
 * - However a command ends, {@link Execution.exited} resolves; it never rejects. A command that could not be started is
 *   an exit with the reason `not-started`, because to the caller it is one more way in which a step failed.
 */
export interface Executor {
  /**
   * Starts a command. Rejects only for a request that breaks the limits (`executor/invalid`), whose id is running
   * (`executor/exists`), or when too much is running (`executor/busy`).
   */
  start(request: ExecutionRequest): Promise<Execution>;
}

export interface ExecutionRequest {
  /** Names the execution. It is free again once the execution has ended. */
  readonly id: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** The absolute path of the working folder. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What the command reads from its standard input. Without it the input is empty. */
  readonly stdin?: Uint8Array;
  /**
   * The command may take further requests of the same command and environment, if it is started with the further words
   * `--serve <mark>`. Then it reads requests, each a line of its input, and ends its output of each on both streams by
   * the line `\x1e<mark> { code, again, cpuMs, rssPeakBytes, answer }`, where `code` is what would have been its exit
   * code, `again` whether it is as it was before, and `answer`, which may be left out, a text for whoever asked. The
   * line has at most a thousand bytes. An executor that does not keep processes starts the command as it is.
   */
  readonly serves?: boolean;
  readonly limits: ExecutionLimits;
  /**
   * What the command takes of a machine, such as `{ cpu: 4, memoryGiB: 16, gpu: 1 }`, for executors that ask a cluster
   * for it. Others leave it to whoever gave them the command.
   */
  readonly resources?: Readonly<Record<string, number>>;
  /**
   * Runs the command apart from the rest of the machine, as far as that goes here: {@link Execution.isolated} tells how
   * far. Without `network` it sees a network that holds nothing but itself.
   */
  readonly isolate?: { readonly network: boolean };
  /** Gets the output as it comes, in order per stream, never more than `outputBytesMax` together. It must not throw. */
  readonly onOutput?: (stream: OutputStream, chunk: Uint8Array) => void;
}

export type OutputStream = 'stdout' | 'stderr';

export interface ExecutionLimits {
  /** After this time the command is stopped: asked first, killed after `graceMs`. */
  readonly wallMs: number;
  /** Output past it, of both streams together, is counted and thrown away; the command goes on. */
  readonly outputBytesMax: number;
  /** From being asked to end to being killed, when `wallMs` is over. 5,000 by default. */
  readonly graceMs?: number;
  /** Resident memory of the command and all that it started together; past it they are killed. */
  readonly memoryBytesMax?: number;
  /** Processors' worth of time, where the machine allows to limit it; {@link Execution.isolated} tells. */
  readonly cpusMax?: number;
}

/** What holds of a command that was to run apart. Whatever is not here is shared with the rest of the machine. */
export interface Isolated {
  /** What it sees of its own only. `network`: nothing can be reached but itself. `pid`: nothing of it survives. */
  readonly namespaces: readonly ('user' | 'ipc' | 'uts' | 'pid' | 'mount' | 'network')[];
  /** It has no capabilities, and programs cannot give it more rights than it has. */
  readonly privileges: boolean;
  /** `group`: the kernel keeps it within the limit. `sampled`: it is looked at now and then, and killed past it. */
  readonly memory: 'group' | 'sampled' | 'unlimited';
  readonly cpu: 'group' | 'unlimited';
}

export interface Execution {
  readonly id: string;
  readonly exited: Promise<Exit>;
  /** Of a command that was to run apart. */
  readonly isolated?: Isolated;
  /**
   * How long the command has waited for its turn, in milliseconds, where an executor hands it to a queue. The time does
   * not count towards its limits.
   */
  waitedMs?(): number;
  /** What the cluster calls the job that the command is, once that is known. Only of executors of clusters. */
  job?(): string | undefined;
  /**
   * Stops reading what the command writes, or goes on. Over a pipe, the command then waits when it writes more. What it
   * wrote before it ended is read in any case. Not every executor can.
   */
  hold?(isHeld: boolean): void;
  /** Asks the command and all it started to end, and kills what is left after `graceMs`. Resolves when all ended. */
  stop(graceMs: number): Promise<void>;
}

/** `timeout`, `memory` and `stopped` win over the code or signal that the command answered; both are there as well. */
export type ExitReason = 'exited' | 'signalled' | 'timeout' | 'memory' | 'stopped' | 'not-started';

export interface Exit {
  readonly reason: ExitReason;
  /** The exit code, when the command ended by itself. */
  readonly code?: number;
  /** The signal that ended it. */
  readonly signal?: string;
  /** What went wrong, for people: with `not-started`, `timeout` and `memory`, or where the executor knows more. */
  readonly detail?: string;
  readonly durationMs: number;
  /** Everything that the command wrote, including what was thrown away. */
  readonly outputBytes: number;
  /** How much of it was thrown away because of `outputBytesMax`. */
  readonly outputBytesCut: number;
  /** The highest resident memory seen, of the command and all that it started, where the adapter can see it. */
  readonly rssPeakBytes?: number;
  /** Processor time and storage traffic of the same, as far as the adapter saw them: what is told was used. */
  readonly cpuMs?: number;
  readonly readBytes?: number;
  readonly writtenBytes?: number;
  /** What a command said at the end of one of several requests. */
  readonly answer?: string;
  /** Why the adapter concludes that the machine ended the command for want of memory, for people. */
  readonly outOfMemory?: string;
}

export const executorErrors = defineErrors('executor', {
  invalid: { status: 400, title: 'Not an executable request' },
  exists: { status: 409, title: 'An execution of this name is running' },
  busy: { status: 503, title: 'Too many executions are running' },
});

const COMMAND_BYTES_MAX = 1024 * 1024;
const STDIN_BYTES_MAX = 64 * 1024 * 1024;
/** The longest delay that timers can hold (2^31 - 1 milliseconds, 24.8 days). */
const WALL_MS_MAX = 2_147_483_647;
const ENV_NAME_PATTERN = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Throws `executor/invalid` if a request breaks the limits of the port. */
export function assertRequest(request: ExecutionRequest): void {
  const refuse = (detail: string): never => {
    throw executorErrors.invalid(`execution ${JSON.stringify(request.id.slice(0, 80))}: ${detail}`);
  };
  const { id, command, cwd, env, stdin, limits } = request;
  if (id.length < 1 || id.length > 200) refuse('id has 1 to 200 characters');
  if (!command[0]) refuse('command names at least a program');
  const words = [...command, cwd, ...Object.values(env)];
  if (words.some((word) => word.includes('\0'))) refuse('command, cwd and env have no NUL characters');
  const commandBytes = words.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (commandBytes > COMMAND_BYTES_MAX) {
    refuse(`command and env have ${commandBytes} bytes, the limit is ${COMMAND_BYTES_MAX}`);
  }
  if (!cwd.startsWith('/')) refuse(`cwd ${JSON.stringify(cwd)} is not an absolute path`);
  const badName = Object.keys(env).find((name) => !ENV_NAME_PATTERN.test(name));
  if (badName !== undefined) refuse(`env ${JSON.stringify(badName)} is not the name of an environment variable`);
  if (stdin && stdin.length > STDIN_BYTES_MAX) {
    refuse(`stdin has ${stdin.length} bytes, the limit is ${STDIN_BYTES_MAX}`);
  }
  const { wallMs, outputBytesMax, graceMs = 0, memoryBytesMax = 1, cpusMax = 1 } = limits;
  if (!(memoryBytesMax > 0)) refuse(`limits.memoryBytesMax ${memoryBytesMax} is not over 0`);
  if (!(cpusMax > 0)) refuse(`limits.cpusMax ${cpusMax} is not over 0`);
  if (!(wallMs >= 1 && wallMs <= WALL_MS_MAX)) refuse(`limits.wallMs ${wallMs} is not from 1 to ${WALL_MS_MAX}`);
  if (!(graceMs >= 0 && graceMs <= WALL_MS_MAX)) refuse(`limits.graceMs ${graceMs} is not from 0 to ${WALL_MS_MAX}`);
  if (!(Number.isSafeInteger(outputBytesMax) && outputBytesMax >= 0)) {
    refuse(`limits.outputBytesMax ${outputBytesMax} is not an integer from 0`);
  }
}
