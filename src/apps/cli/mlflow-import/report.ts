import { messageOf } from '#core/errors';
import { formatBytes } from '#core/units';
import { UsageError } from '../failure.ts';

interface Counted {
  /** How many the source has. */
  found: number;
  /** How many were made here. */
  made: number;
}

/** What became of a run, logged model or trace; `same` when all that the source says of it is here already. */
interface Moved extends Counted {
  resumed: number;
  same: number;
}

/** What an import found and did; in a dry run, what it would do. */
export class ImportReport {
  readonly experiments: Counted = { found: 0, made: 0 };
  readonly runs: Moved = { found: 0, made: 0, resumed: 0, same: 0 };
  readonly loggedModels: Moved = { found: 0, made: 0, resumed: 0, same: 0 };
  readonly traces: Moved = { found: 0, made: 0, resumed: 0, same: 0 };
  readonly registeredModels: Moved = { found: 0, made: 0, resumed: 0, same: 0 };
  readonly versions: Counted = { found: 0, made: 0 };
  readonly webhooks: Counted = { found: 0, made: 0 };
  readonly users: Counted = { found: 0, made: 0 };
  /** Levels that users hold on experiments and registered models. */
  readonly grants: Counted = { found: 0, made: 0 };
  /** Points of metrics that were sent. */
  points = 0;
  /** Spans that were sent. */
  spans = 0;
  readonly files = { sent: 0, bytes: 0 };
  /** Protected places that came too late to be brought along: the gate is to be asked about them. */
  readonly held: { readonly what: string; readonly why: string }[] = [];
  /** What is left to do by hand. */
  readonly notes: string[] = [];
  readonly failures: { readonly what: string; readonly why: string }[] = [];

  readonly source: string;
  readonly dryRun: boolean;

  constructor(source: string, dryRun: boolean) {
    this.source = source;
    this.dryRun = dryRun;
  }

  /** Does some of the work; when it fails, that is noted and the rest goes on. */
  async attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof UsageError || isOutOfReach(error)) throw error;
      this.failures.push({ what, why: messageOf(error) });
    }
  }

  get #sent(): string {
    const { points, spans, files } = this;
    return `sent: ${points} points of metrics, ${spans} spans, ${files.sent} files of ${formatBytes(files.bytes)}`;
  }

  get words(): string {
    const would = this.dryRun ? 'would be ' : '';
    const { held, notes, failures } = this;
    const moved = (name: string, { found, made, resumed, same }: Moved) =>
      `${name}: ${found} found, ${made} ${would}brought in, ${resumed} gone on with, ${same} here already`;
    return [
      `experiments: ${this.experiments.found} found, ${this.experiments.made} ${would}made`,
      moved('runs', this.runs),
      moved('logged models', this.loggedModels),
      moved('traces', this.traces),
      moved('registered models', this.registeredModels),
      `versions: ${this.versions.found} found, ${this.versions.made} ${would}registered`,
      `webhooks: ${this.webhooks.found} found, ${this.webhooks.made} ${would}made`,
      ...(this.users.found === 0
        ? []
        : [
            `users: ${this.users.found} found, ${this.users.made} ${would}made`,
            `permissions: ${this.grants.found} found, ${this.grants.made} ${would}granted`,
          ]),
      ...(this.dryRun ? [] : [this.#sent]),
      ...held.map(({ what, why }) => `left to the gate: ${why} for ${what}`),
      ...notes.map((note) => `to do: ${note}`),
      ...failures.map(({ what, why }) => `FAILED ${what}: ${why}`),
    ].join('\n');
  }
}

/** Nothing that follows could work either. */
function isOutOfReach(error: unknown): boolean {
  const code = (error as { cause?: { code?: string } }).cause?.code;
  return code === 'ECONNREFUSED' || (error as { code?: unknown }).code === 'access/unauthenticated';
}
