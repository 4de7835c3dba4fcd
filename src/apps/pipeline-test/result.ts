import type { Json } from '#core/json';
import type { RunDetail } from '#pipelines';

/** What a step wrote to an output, or what was given for it. */
export interface TestOutput {
  readonly digest: string;
  readonly bytes: number;
  /** Of a directory, the list of its files as JSON. */
  readonly content: Uint8Array;
  /** Of a directory: its files, by their paths in it. */
  readonly files?: Readonly<Record<string, TestOutput>>;
  text(): string;
  /** Throws a `SyntaxError` for what is not JSON. */
  json(): unknown;
}

export interface TestStep {
  readonly status: RunDetail['steps'][number]['status'];
  /** It was not run: fixtures stood for what it makes. */
  readonly given: boolean;
  /** Why it failed or was skipped. */
  readonly reason: string | null;
  readonly result: Json;
  readonly metrics: Readonly<Record<string, number>>;
  readonly log: readonly string[];
  readonly outputs: Readonly<Record<string, TestOutput>>;
}

export interface TestResult {
  readonly status: RunDetail['status'];
  readonly reason: string | null;
  readonly steps: Readonly<Record<string, TestStep>>;
  /** What is wrong with contracts, undeclared outputs and expectations, each in words that say what to do. */
  readonly problems: readonly string[];
  /** All of it in words: what failed, the last lines that it logged, and the problems. */
  explain(): string;
}

const LINES_SHOWN = 20;

export function resultOf(run: Omit<TestResult, 'explain'>): TestResult {
  return {
    ...run,
    explain() {
      const failed = Object.entries(run.steps).filter(([, { status }]) => status === 'failed');
      const lines = failed.flatMap(([name, { reason, log }]) => [
        `step '${name}' failed: ${reason}`,
        ...log.slice(-LINES_SHOWN).map((line) => `  ${name} | ${line}`),
      ]);
      const end = run.reason === null || failed.length > 0 ? [] : [`the run ${run.status}: ${run.reason}`];
      return [...lines, ...end, ...run.problems].join('\n');
    },
  };
}

export function testOutput(digest: string, content: Uint8Array): TestOutput {
  const text = (): string => new TextDecoder().decode(content);
  return { digest, bytes: content.byteLength, content, text, json: () => JSON.parse(text()) as unknown };
}
