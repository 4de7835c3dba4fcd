import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PRELOADED = fileURLToPath(new URL('clients/preloaded.py', import.meta.url));

/**
 * Runs scripts with one unmodified client of MLflow, each in a fork of one process that has imported it: the import
 * takes three seconds of a processor, and the script a tenth of that. One script runs at a time.
 */
export class PreloadedClient {
  readonly #python: string;
  #child: ChildProcessWithoutNullStreams | undefined;
  #answers: AsyncIterator<string> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(python: string) {
    this.#python = python;
  }

  /** What the script printed, with `env` beside what all have. Fails with what it said of it, or after `withinMs`. */
  run(
    script: string,
    args: readonly string[],
    { env, withinMs }: { readonly env: Readonly<Record<string, string>>; readonly withinMs: number },
  ): Promise<string> {
    const answer = this.#last.then(() => this.#ask({ script, args, env: { ...environment(), ...env } }, withinMs));
    this.#last = answer.catch(() => {});
    return answer;
  }

  close(): void {
    this.#child?.kill('SIGKILL');
  }

  async #ask(request: object, withinMs: number): Promise<string> {
    const child = this.#child ?? this.#start();
    const late = setTimeout(() => child.kill('SIGKILL'), withinMs);
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const line = await this.#answers?.next().finally(() => clearTimeout(late));
    assert.ok(line && !line.done, `the client ended or did not answer within ${withinMs} ms`);
    const { code, out, err } = JSON.parse(line.value) as { code: number; out: string; err: string };
    assert.equal(code, 0, `${JSON.stringify(request)} ended with code ${code}\n${out}${err}`);
    return out;
  }

  #start(): ChildProcessWithoutNullStreams {
    const child = spawn(this.#python, [PRELOADED], { env: environment(), cwd: tmpdir() });
    child.stderr.pipe(process.stderr);
    child.stdin.on('error', () => {});
    this.#child = child;
    this.#answers = createInterface(child.stdout)[Symbol.asyncIterator]();
    return child;
  }
}

/** What is read when the client is imported; the rest is each script's own. */
function environment(): Readonly<Record<string, string>> {
  const { PATH = '', HOME = '' } = process.env;
  return { PATH, HOME, MLFLOW_DISABLE_TELEMETRY: 'true', GIT_PYTHON_REFRESH: 'quiet', OMP_NUM_THREADS: '1' };
}
