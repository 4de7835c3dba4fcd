import type { Command } from 'commander';
import { systemClock } from '#core/clock';
import { seededRandom } from '#core/random';
import { durationMs } from '#core/units';
import { loadConfig } from '#platform/config';
import { type LoadReport, openLoop } from '#serving/loadtest';
import { explainFailure, UsageError } from '../failure.ts';
import { httpSender } from '../loadtest/http-sender.ts';
import { textOf } from '../read-file.ts';
import { printJson } from './connected.ts';

const RATE_MAX = 100_000;
const REQUESTS_MAX = 5_000_000;
const IN_WORK_MAX = 10_000;

interface LoadOptions {
  readonly gateway?: string;
  readonly rate: string;
  readonly duration: string;
  readonly inputs?: string;
  readonly body?: string;
  readonly arrivals: string;
  readonly timeout: string;
  readonly seed: string;
  readonly errorsMax?: string;
  readonly p99Max?: string;
  readonly json?: boolean;
}

/** `kedge loadtest`: an endpoint under a load that does not wait for it. */
export function loadtestCommand(program: Command): void {
  program
    .command('loadtest <endpoint>')
    .description('ask an endpoint at a fixed rate, whether or not it keeps up, and tell how long its answers took')
    .option('--gateway <url>', 'address of the gateway')
    .option('--rate <requests>', 'requests per second', '100')
    .option('--duration <duration>', 'for how long, such as 30s', '10s')
    .option('--inputs <json>', 'inputs of the model, such as {"x": 1}')
    .option('--body <file>', 'requests as JSON, one a line, sent in turn')
    .option('--arrivals <how>', 'poisson, as independent users come, or even', 'poisson')
    .option('--timeout <duration>', 'after which an answer is given up', '10s')
    .option('--seed <number>', 'of the arrivals', '1')
    .option('--errors-max <share>', 'exit code 1 when more requests fail than this share, such as 0.01')
    .option('--p99-max <ms>', 'exit code 1 when the 99th percentile is over this')
    .option('--json', 'answer as JSON')
    .action(async (endpoint: string, options: LoadOptions) => {
      try {
        await run(endpoint, options);
      } catch (error) {
        explainFailure(error);
      }
    });
}

async function run(endpoint: string, options: LoadOptions): Promise<void> {
  const { arrivals } = options;
  if (arrivals !== 'poisson' && arrivals !== 'even') throw new UsageError('--arrivals: expected poisson or even');
  const rate = numberOf('--rate', options.rate, RATE_MAX);
  const seconds = durationOf('--duration', options.duration) / 1_000;
  if (rate * seconds > REQUESTS_MAX) {
    throw new UsageError(`${rate} requests a second for ${seconds} s are more than the ${REQUESTS_MAX} there may be`);
  }
  const timeoutMs = durationOf('--timeout', options.timeout);
  const sender = httpSender({ url: urlOf(endpoint, options.gateway), timeoutMs });
  const report = await openLoop({
    ...{ bodies: await bodiesOf(options), send: sender.send, rate, seconds, arrivals, inWorkMax: IN_WORK_MAX },
    ...{ clock: systemClock, random: seededRandom(numberOf('--seed', options.seed, 2 ** 31)) },
  });
  sender.close();
  if (options.json) printJson(report);
  else process.stdout.write(`${reportText(report)}\n`);
  const total = report.answered + failedOf(report);
  const failing =
    options.errorsMax !== undefined && failedOf(report) > numberOf('--errors-max', options.errorsMax, 1) * total;
  const slow =
    options.p99Max !== undefined &&
    (report.latencyMs?.p99 ?? Number.POSITIVE_INFINITY) > numberOf('--p99-max', options.p99Max, 1e9);
  if (failing || slow) process.exitCode = 1;
}

function urlOf(endpoint: string, gateway: string | undefined): URL {
  const base = gateway ?? `http://127.0.0.1:${loadConfig({}).gatewayPort}`;
  if (!URL.canParse(base) || !base.startsWith('http://')) throw new UsageError(`--gateway ${base}: expected http://…`);
  return new URL(`/v1/endpoints/${encodeURIComponent(endpoint)}/predict`, base);
}

async function bodiesOf({ inputs, body }: LoadOptions): Promise<readonly string[]> {
  if ((inputs === undefined) === (body === undefined)) throw new UsageError('give either --inputs or --body');
  const texts =
    body === undefined
      ? [`{"inputs":${inputs}}`]
      : (await textOf(body)).split('\n').filter((line) => line.trim() !== '');
  for (const text of texts) {
    try {
      JSON.parse(text);
    } catch {
      throw new UsageError(`${body ?? '--inputs'}: ${text.slice(0, 80)} is no JSON`);
    }
  }
  if (texts.length === 0) throw new UsageError(`${body} has no requests`);
  return texts;
}

function numberOf(option: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= max) return value;
  throw new UsageError(`${option} ${text}: expected a number from 0 to ${max}`);
}

function durationOf(option: string, text: string): number {
  try {
    return durationMs(text);
  } catch {
    throw new UsageError(`${option} ${text}: expected a duration such as 10s or 2m`);
  }
}

const failedOf = ({ failures }: LoadReport): number => Object.values(failures).reduce((sum, count) => sum + count, 0);

function reportText(report: LoadReport): string {
  const { sent, answered, failures, ratePlanned, rateAchieved, latencyMs, senderLateMs } = report;
  const failed = Object.entries(failures).map(([what, count]) => `${count} × ${what}`);
  const lines = [
    `${sent} requests sent, ${answered} answered; ${rateAchieved.toFixed(1)} of ${ratePlanned} a second`,
    ...(failed.length > 0 ? [`failed: ${failed.join(', ')}`] : []),
  ];
  if (latencyMs) {
    const { mean, p50, p90, p95, p99, p999, max } = latencyMs;
    const figures = { mean, p50, p90, p95, p99, 'p99.9': p999, max };
    lines.push(...Object.entries(figures).map(([name, ms]) => `${name.padEnd(6)} ${ms.toFixed(2).padStart(10)} ms`));
  }
  if (senderLateMs > 20) lines.push(`this machine sent up to ${senderLateMs.toFixed(0)} ms late: it is measured too`);
  return lines.join('\n');
}
