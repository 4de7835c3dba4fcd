import { copyFile, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { ExecutionRequest, OutputStream } from '#ports/executor';

const LAUNCHER = fileURLToPath(new URL('./launch.py', import.meta.url));
const CHUNK_BYTES = 256 * 1024;
const EVENTS_BYTES_MAX = 64 * 1024;
const LOG_TAIL_BYTES = 2_000;
const STREAMS = ['stdout', 'stderr'] as const;

const bytes = z.number().int().min(0);

/** How the launcher says that a command ended. */
const exitRecord = z.object({
  type: z.literal('exit'),
  reason: z.enum(['exited', 'signalled', 'timeout', 'stopped', 'not-started']),
  code: z.number().int().optional(),
  signal: z.string().max(40).optional(),
  detail: z.string().max(4_000).optional(),
  /** Somebody has asked the whole job to end, as clusters do when it is cancelled or has to make room. */
  asked: z.boolean(),
  durationMs: z.number().min(0),
  outputBytes: bytes,
  outputBytesCut: bytes,
  stdoutBytes: bytes,
  stderrBytes: bytes,
  rssPeakBytes: bytes.optional(),
});
export type ExitRecord = z.output<typeof exitRecord>;

/**
 * The files of one job: what the launcher reads and writes on its node, and the worker on its machine. A file is made
 * before the job is handed in and opened anew for each look, because that is when network file systems look again.
 */
export class JobFolder {
  readonly path: string;
  readonly #read: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  #events: { readonly started: boolean; readonly exit?: ExitRecord } = { started: false };

  constructor(path: string) {
    this.path = path;
  }

  /** Only the user of the worker, who is that of the job, may look into it. */
  static async make(path: string, request: ExecutionRequest, graceMs: number): Promise<JobFolder> {
    const at = (name: string): string => join(path, name);
    await mkdir(path, { recursive: true, mode: 0o700 });
    const { command, cwd, env, stdin, limits } = request;
    const { wallMs, outputBytesMax } = limits;
    const told = { command, cwd, env, wallMs, graceMs, outputBytesMax, stdin: stdin !== undefined };
    await Promise.all([
      copyFile(LAUNCHER, at('launch.py')),
      writeFile(at('request.json'), JSON.stringify(told), { mode: 0o600 }),
      ...(stdin ? [writeFile(at('stdin'), stdin, { mode: 0o600 })] : []),
      ...['stdout', 'stderr', 'events', 'control'].map((name) => writeFile(at(name), '', { mode: 0o600 })),
    ]);
    return new JobFolder(path);
  }

  get launcher(): string {
    return join(this.path, 'launch.py');
  }

  get logPath(): string {
    return join(this.path, 'job.log');
  }

  /** Asks the launcher to end the command, and to kill what is left after `graceMs`. */
  async ask(graceMs: number): Promise<void> {
    await writeFile(join(this.path, 'control'), String(graceMs));
  }

  /** Takes the job from its launcher for ever, if that has not begun. Tells whether it has not. */
  claim(): Promise<boolean> {
    return mkdir(join(this.path, 'claim')).then(
      () => true,
      () => false,
    );
  }

  /** What the launcher has told so far. */
  async events(): Promise<{ readonly started: boolean; readonly exit?: ExitRecord }> {
    if (this.#events.exit) return this.#events;
    const text = (await readFile(join(this.path, 'events'))).subarray(0, EVENTS_BYTES_MAX).toString();
    // The last line may be half written.
    for (const line of text.split('\n').slice(0, -1)) {
      const event = parseJson(line);
      const exit = exitRecord.safeParse(event);
      this.#events = exit.success ? { started: true, exit: exit.data } : { started: true };
    }
    return this.#events;
  }

  /** Passes on what came since the last call, until it is held. Answers how many bytes that were. */
  async passOutput(pass: (stream: OutputStream, chunk: Uint8Array) => void, isHeld: () => boolean): Promise<number> {
    let count = 0;
    for (const stream of STREAMS) {
      const file = await open(join(this.path, stream), 'r');
      try {
        while (!isHeld()) {
          const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
          const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, this.#read[stream]);
          if (bytesRead === 0) break;
          this.#read[stream] += bytesRead;
          count += bytesRead;
          pass(stream, buffer.subarray(0, bytesRead));
        }
      } finally {
        await file.close();
      }
    }
    return count;
  }

  /** Whether everything was passed on that the launcher has kept. */
  hasPassed({ stdoutBytes, stderrBytes }: ExitRecord): boolean {
    return this.#read.stdout >= stdoutBytes && this.#read.stderr >= stderrBytes;
  }

  get passedBytes(): number {
    return this.#read.stdout + this.#read.stderr;
  }

  /** The end of what the job said beside its command: why the launcher did not start, for instance. */
  async logTail(): Promise<string> {
    const text = await readFile(this.logPath).catch(() => Buffer.alloc(0));
    return text.subarray(-LOG_TAIL_BYTES).toString().trim();
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
