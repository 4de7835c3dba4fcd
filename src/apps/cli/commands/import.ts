import type { Command } from 'commander';
import { addressFrom, connectFrom } from '../connection.ts';
import { explainFailure, UsageError } from '../failure.ts';
import { FileStoreSource } from '../mlflow-import/file-store.ts';
import { importRegisteredModel } from '../mlflow-import/registry-import.ts';
import { ImportReport } from '../mlflow-import/report.ts';
import { RestSource } from '../mlflow-import/rest-source.ts';
import { type MlflowSource, SourceError } from '../mlflow-import/source.ts';
import { type ImportPlan, importExperiment } from '../mlflow-import/tracking-import.ts';
import { importUsers } from '../mlflow-import/user-import.ts';
import { importWebhooks } from '../mlflow-import/webhook-import.ts';
import { textOf } from '../read-file.ts';
import { type CommandOptions, connectedInProject, printJson } from './connected.ts';

interface ImportOptions extends CommandOptions {
  readonly sourceCredentials?: string;
  readonly experiment?: readonly string[];
  readonly users?: boolean;
  readonly dryRun?: boolean;
  readonly parallel: string;
}

/** `kedge import mlflow`: what an MLflow server or file store has, with its ids, times and authors. */
export function importCommand(program: Command): void {
  const group = program.command('import').description('bring in what another system has');
  connectedInProject(group.command('mlflow <uri>'))
    .description('bring in experiments, runs, models, webhooks and files of a tracking server or of a folder mlruns')
    .option('--source-credentials <file>', 'a file with <user>:<password>, or with a token, for the source')
    .option('--experiment <name...>', 'only these experiments, and no registered models')
    .option('--users', 'its users too, without passwords, and what they hold on experiments and models')
    .option('--parallel <n>', 'how many runs are read at the same time', '4')
    .option('--dry-run', 'only tell what would be brought in')
    .action(async (uri: string, options: ImportOptions) => {
      try {
        const report = await bringIn(await sourceAt(uri, options), options);
        if (options.json) printJson(report);
        else process.stdout.write(`${report.words}\n`);
        if (report.failures.length > 0) process.exitCode = 1;
      } catch (error) {
        explainFailure(error instanceof SourceError ? new UsageError(error.message) : error);
      }
    });
}

async function sourceAt(uri: string, { sourceCredentials }: ImportOptions): Promise<MlflowSource> {
  if (!/^https?:/.test(uri)) return FileStoreSource.open(uri);
  if (!URL.canParse(uri)) throw new UsageError(`${uri} is no address`);
  if (sourceCredentials === undefined) return new RestSource(uri, undefined);
  const secret = (await textOf(sourceCredentials)).trim();
  return new RestSource(uri, secret.includes(':') ? `Basic ${btoa(secret)}` : `Bearer ${secret}`);
}

async function bringIn(source: MlflowSource, options: ImportOptions): Promise<ImportReport> {
  const report = new ImportReport(source.name, options.dryRun ?? false);
  const plan: ImportPlan = {
    source,
    report,
    target: { kedge: connectFrom(options), ...addressFrom(options), project: options.project },
    dryRun: report.dryRun,
    tell: (line) => void process.stderr.write(`${line}\n`),
    parallel: parallelOf(options.parallel),
  };
  const wanted = options.experiment && new Set(options.experiment);
  for await (const experiment of source.experiments()) {
    if (wanted && !wanted.has(experiment.name)) continue;
    wanted?.delete(experiment.name);
    await report.attempt(`experiment '${experiment.name}'`, () => importExperiment(plan, experiment));
  }
  if (!wanted) {
    for await (const model of source.registeredModels()) {
      await report.attempt(`registered model '${model.name}'`, () => importRegisteredModel(plan, model));
    }
    await report.attempt('webhooks', () => importWebhooks(plan));
  }
  if (options.users) await report.attempt('users', () => importUsers(plan));
  for (const name of wanted ?? []) report.failures.push({ what: `experiment '${name}'`, why: 'the source has none' });
  return report;
}

function parallelOf(text: string): number {
  if (/^([1-9]|[12]\d|3[0-2])$/.test(text)) return Number(text);
  throw new UsageError(`--parallel ${text}: expected a number from 1 to 32`);
}
