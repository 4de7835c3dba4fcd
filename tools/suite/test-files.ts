import { availableParallelism } from 'node:os';
import { join, relative, sep } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import { nodeFlags } from '../bootstrap/node-binary.mjs';
import type { Tally } from './tally.ts';

/** One more than there are cores, because many tests wait for processes of others most of their time. */
const concurrency = availableParallelism() + 1;
/** The longest file takes four minutes alone on two cores, and several times that on a machine with other work. */
const fileTimeoutMs = 25 * 60_000;
const outputBytesMax = 4_000;

interface Reported {
  readonly name: string;
  readonly file?: string;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details: { readonly type?: string; readonly error?: unknown; readonly duration_ms?: number };
}

/** Where the tests are, and what to do with one that failed as soon as it did. */
export interface TestFileOptions {
  readonly root: string;
  readonly tally: Tally;
  readonly say: (text: string) => void;
}

/** Runs test files in processes of their own and counts every test; prints only what failed, with its output. */
export async function runTestFiles(files: readonly string[], options: TestFileOptions): Promise<void> {
  if (files.length === 0) return;
  const reporter = new Reporter(options);
  const stream = run({
    files: files.map((file) => join(options.root, file)),
    concurrency,
    timeout: fileTimeoutMs,
    cwd: options.root,
    execArgv: [...nodeFlags],
  });
  for await (const { type, data } of stream) {
    if (type === 'test:pass') reporter.passed(data);
    else if (type === 'test:fail') reporter.failed(data);
    else if (type === 'test:complete') reporter.completed(data);
    else if (type === 'test:stdout' || type === 'test:stderr') reporter.printed(data);
  }
}

class Reporter {
  readonly #options: TestFileOptions;
  readonly #output = new Map<string, string>();

  constructor(options: TestFileOptions) {
    this.#options = options;
  }

  printed(data: { readonly file?: string | undefined; readonly message: string }): void {
    const file = this.#relative(data.file);
    this.#output.set(file, ((this.#output.get(file) ?? '') + data.message).slice(-outputBytesMax));
  }

  passed(data: Reported): void {
    const { tally } = this.#options;
    const file = this.#relative(data.file);
    // A skip that does not say what is missing tells nobody what to install.
    if (data.skip === true) this.#fail(data.name, file, 'skipped without a reason; say what is missing');
    else if (data.skip) tally.skip({ name: data.name, file, reason: data.skip });
    else if (data.todo) this.#fail(data.name, file, 'is marked todo; write the test or delete it');
    else if (this.#isFile(data)) this.#fail('the file itself', file, 'holds no test');
    else if (data.details.type !== 'suite') tally.pass();
  }

  completed(data: Reported): void {
    if (!this.#isFile(data)) return;
    this.#options.tally.took(this.#relative(data.file), (data.details.duration_ms ?? 0) / 1000);
  }

  failed(data: Reported): void {
    const { error } = data.details;
    // A suite or file whose own tests failed has been told already, one failure per test.
    if (error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed') return;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    this.#fail(this.#isFile(data) ? 'the file itself' : data.name, this.#relative(data.file), describe(cause));
  }

  #fail(name: string, file: string, message: string): void {
    const { tally, say } = this.#options;
    tally.fail({ name, file, message });
    const output = this.#output.get(file);
    this.#output.delete(file);
    say(`✗ ${file}: ${name}\n${indent(message)}${output ? `\n  output of the file:\n${indent(output)}` : ''}`);
  }

  /** Node reports a test file as a test of its own, named after its path, when it holds no test or cannot be loaded. */
  #isFile(data: Reported): boolean {
    return data.file !== undefined && (data.name === data.file || data.file.endsWith(`${sep}${data.name}`));
  }

  #relative(file: string | undefined): string {
    return file ? relative(this.#options.root, file).split(sep).join('/') : '';
  }
}

function describe(error: unknown): string {
  if (error instanceof Error) return (error.stack ?? error.message).replace(/\n\s+at .*\(node:.*/g, '');
  return typeof error === 'string' ? error : inspect(error);
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, '    ');
}
