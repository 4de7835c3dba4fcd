/** A test that failed. `file` is empty for a step that has none. */
export interface Failure {
  readonly name: string;
  readonly file: string;
  readonly message: string;
}

/** A test that did not run, and why: something that this machine lacks. */
export interface Skip {
  readonly name: string;
  readonly file: string;
  readonly reason: string;
}

export interface TallyOptions {
  /** In strict mode a skip is a failure: the machine was meant to have everything. */
  readonly strict: boolean;
}

/** How many of the files that took longest the closing report names. */
const slowestShown = 10;

/** Counts what a run of the suite did, and says it in the end. */
export class Tally {
  readonly #strict: boolean;
  #passed = 0;
  readonly #failures: Failure[] = [];
  readonly #skips: Skip[] = [];
  readonly #secondsOf = new Map<string, number>();

  constructor(options: TallyOptions) {
    this.#strict = options.strict;
  }

  pass(): void {
    this.#passed += 1;
  }

  fail(failure: Failure): void {
    this.#failures.push(failure);
  }

  skip(skip: Skip): void {
    this.#skips.push(skip);
  }

  /** How long a test file ran, beside others. */
  took(file: string, seconds: number): void {
    this.#secondsOf.set(file, seconds);
  }

  get exitCode(): 0 | 1 {
    if (this.#failures.length > 0) return 1;
    return this.#strict && this.#skips.length > 0 ? 1 : 0;
  }

  /** The closing report; its last line is `N passed, N failed, N skipped`. */
  summary(): string {
    const lines = this.#slowestLines();
    if (this.#skips.length > 0) {
      lines.push(this.#strict ? 'Skipped, which KEDGE_CI=strict forbids:' : 'Skipped:');
      lines.push(...this.#skipLines());
    }
    if (this.#failures.length > 0) {
      lines.push('Failed:');
      lines.push(...this.#failures.map(({ name, file }) => `  ${file ? `${file}: ` : ''}${name}`));
    }
    lines.push(`${this.#passed} passed, ${this.#failures.length} failed, ${this.#skips.length} skipped`);
    return lines.join('\n');
  }

  #slowestLines(): string[] {
    const slowest = [...this.#secondsOf].sort(([, one], [, other]) => other - one).slice(0, slowestShown);
    if (slowest.length === 0) return [];
    return ['Slowest files:', ...slowest.map(([file, seconds]) => `${seconds.toFixed(1).padStart(7)} s  ${file}`)];
  }

  /** One line per reason and file, because a file that lacks its service skips all its tests for the same reason. */
  #skipLines(): string[] {
    const counts = new Map<string, number>();
    for (const { file, reason } of this.#skips) {
      const line = `${file}: ${reason}`;
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
    return [...counts].map(([line, count]) => `  ${line}${count > 1 ? ` (${count} tests)` : ''}`);
  }
}
