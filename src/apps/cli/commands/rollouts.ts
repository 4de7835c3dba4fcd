import { createHash, randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import type { Kedge } from '#client';
import { sleep, systemClock } from '#core/clock';
import { formatDuration } from '#core/units';
import { formatTable } from '../table.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';
import { everyItem } from './models.ts';

type Rollout = Awaited<ReturnType<Kedge['serving']['getRollout']>>;

const POLL_MS = 1_000;
const WIDTH = 40;

/** `kedge rollouts`: what is released where, how it stands, and the words that only people may say. */
export function rolloutCommands(program: Command): void {
  const rollouts = program.command('rollouts').description('list, watch and steer rollouts');
  connected(rollouts.command('list [endpoint]', { isDefault: true }).description('list rollouts, newest first')).action(
    withKedge(async (kedge, [endpoint], options) => {
      const names = endpoint ? [endpoint] : (await kedge.serving.listEndpoints()).items.map(({ name }) => name);
      const found = await Promise.all(
        names.map((name) =>
          everyItem((after) => kedge.serving.listRollouts({ params: { endpoint: name }, query: after })),
        ),
      );
      const items = found.flat().sort((a, b) => b.startedAt - a.startedAt);
      if (options.json) return printJson(items);
      const rows = items.map((one) => [
        ...[one.id, one.endpoint, candidatesOf(one), one.live?.strategy ?? 'paired'],
        ...[one.stage, `${one.weight} %`, one.live?.hold?.kind ?? ''],
      ]);
      const header = ['rollout', 'endpoint', 'candidate', 'strategy', 'stage', 'traffic', 'holds'];
      process.stdout.write(`${formatTable(header, rows)}\n`);
    }),
  );
  connected(rollouts.command('get <rollout>').description('show a rollout with its evidence and decisions')).action(
    withKedge(async (kedge, [rollout = ''], options) => {
      const found = await kedge.serving.getRollout({ params: { rollout } });
      if (options.json) return printJson(found);
      process.stdout.write(`${rolloutText(found)}\n`);
    }),
  );
  startCommand(rollouts);
  dropCommand(rollouts);
  for (const [word, what] of Object.entries(WORDS)) commandOf(rollouts, word as keyof typeof WORDS, what);
  connected(rollouts.command('bundle <rollout>').description('print what was written down at a rollback')).action(
    withKedge(async (kedge, [rollout = '']) =>
      printJson(await kedge.serving.getIncidentBundle({ params: { rollout } })),
    ),
  );
  connected(
    rollouts.command('forward <rollout> <version>').description('after a rollback: a third version gets all traffic'),
  )
    .requiredOption('--reason <text>', 'why neither of the two fits')
    .action(
      withKedge(async (kedge, [rollout = '', version = ''], options) => {
        const body = { version: Number(version), reason: String(options['reason']) };
        const started = await kedge.serving.rollForward({ params: { rollout }, body });
        if (options.json) return printJson(started);
        process.stdout.write(`started ${started.id} in ${started.stage}\n`);
      }),
    );
  rollouts
    .command('arm-key')
    .description('make a key with which a request may name its arm, and the digest to declare in live.armKeys')
    .action(() => {
      const key = randomBytes(24).toString('base64url');
      const sha256 = createHash('sha256').update(key).digest('hex');
      process.stdout.write(`x-kedge-arm-key: ${key}\nsha256: ${sha256}\n`);
    });
  watchCommand(rollouts);
}

function startCommand(rollouts: Command): void {
  connected(
    rollouts
      .command('start <endpoint> [version]')
      .description('roll a version of its model out, or without one several at once: those given or declared'),
  )
    .option('--force <reason>', 'waive the gate and begin with all traffic')
    .option(
      '--arm <name=version[:percent]>',
      'one of several candidates, by number or alias; may be repeated',
      collect,
      [],
    )
    .action(
      withKedge(async (kedge, [endpoint = '', version], options) => {
        const force = options['force'] === undefined ? {} : { force: { reason: String(options['force']) } };
        const given = Array.isArray(options['arm']) ? options['arm'].map(String) : [];
        const body = {
          ...(version === undefined ? {} : { version: Number(version) }),
          ...(given.length > 0 ? { arms: given.map(armOf) } : {}),
          ...force,
        };
        const started = await kedge.serving.startRollout({ params: { endpoint }, body });
        if (options.json) return printJson(started);
        process.stdout.write(`started ${started.id} in ${started.stage}\n`);
      }),
    );
}

function dropCommand(rollouts: Command): void {
  connected(rollouts.command('drop <rollout> <arm>').description('take one of several candidates out of traffic'))
    .requiredOption('--reason <text>', 'why')
    .action(
      withKedge(async (kedge, [rollout = '', arm = ''], options) => {
        const body = { reason: String(options['reason']) };
        const found = await kedge.serving.dropArm({ params: { rollout, arm }, body });
        if (options.json) return printJson(found);
        process.stdout.write(`${found.id} is in ${found.stage} with ${found.weight} %\n`);
      }),
    );
}

const WORDS = {
  pause: 'hold a rollout where it is',
  resume: 'let a paused rollout go on',
  approve: 'say yes to the next step',
  promote: 'take the next step without waiting for evidence',
  abort: 'end a rollout: the current revision answers everything again',
} as const;

function commandOf(rollouts: Command, word: keyof typeof WORDS, what: string): void {
  connected(rollouts.command(`${word} <rollout>`).description(what))
    .requiredOption('--reason <text>', 'why')
    .option('--arm <name>', 'of several candidates, which; of promote only')
    .action(
      withKedge(async (kedge, [rollout = ''], options) => {
        const { serving } = kedge;
        const arm = options['arm'] === undefined ? {} : { arm: String(options['arm']) };
        const request = { params: { rollout }, body: { reason: String(options['reason']), ...arm } };
        const say = {
          pause: serving.pauseRollout,
          resume: serving.resumeRollout,
          approve: serving.approveRollout,
          promote: serving.promoteRollout,
          abort: serving.abortRollout,
        };
        const found = await say[word](request);
        if (options.json) return printJson(found);
        process.stdout.write(`${found.id} is in ${found.stage} with ${found.weight} %\n`);
      }),
    );
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** `small=7:10` is version 7 with 10 %, `next=challenger` the version of an alias with an even share. */
function armOf(text: string) {
  const [, name = '', which = '', share] = /^([^=]+)=([^:]+)(?::(.+))?$/.exec(text) ?? [];
  if (name === '' || which === '') throw new Error(`--arm ${text}: expected <name>=<version or alias>[:<percent>]`);
  return {
    name,
    ...(/^\d+$/.test(which) ? { version: Number(which) } : { alias: which }),
    ...(share === undefined ? {} : { share: Number(share) }),
  };
}

function watchCommand(rollouts: Command): void {
  connected(
    rollouts.command('watch <rollout>').description('follow a rollout until it ends; exit code 1 if taken back'),
  )
    .option('--every <seconds>', 'how often to look', '1')
    .action(
      withKedge(async (kedge, [rollout = ''], options: CommandOptions) => {
        const everyMs = Math.max(100, 1_000 * Number(options['every']) || POLL_MS);
        const forever = new AbortController().signal;
        for (let shown = ''; ; await sleep(systemClock, everyMs, forever)) {
          const found = await kedge.serving.getRollout({ params: { rollout } });
          const text = options.json ? JSON.stringify(found) : rolloutText(found);
          if (text !== shown) process.stdout.write(options.json ? `${text}\n` : frame(text, shown === ''));
          shown = text;
          if (found.finishedAt === null) continue;
          if (found.stage !== 'completed') process.exitCode = 1;
          return;
        }
      }),
    );
}

/** On a terminal each picture takes the place of the last; anywhere else they follow one another. */
function frame(text: string, first: boolean): string {
  if (!process.stdout.isTTY) return `${text}\n\n`;
  return `${first ? '' : '\u001b[H'}\u001b[J${text}\n`;
}

function rolloutText(rollout: Rollout): string {
  const { id, endpoint, model, current, stage, weight, live, paused, evidence } = rollout;
  const filled = Math.round((WIDTH * weight) / 100);
  const lines = [
    `${id}: ${candidatesOf(rollout)} on ${endpoint}, ${live?.strategy ?? 'paired'}, ${stage}`,
    ...(live?.arms
      ? armLines(live.arms)
      : [`${`${model}@${current ?? '-'}`.padEnd(24)} ${'░'.repeat(WIDTH - filled)}${'█'.repeat(filled)} ${weight} %`]),
  ];
  if (paused) lines.push(`paused: ${paused.reason}`);
  else if (live?.hold) lines.push(`holds: ${live.hold.sentence}`);
  for (const { check, passed, sentence } of rollout.checks ?? []) {
    lines.push(`${check} check ${passed ? 'passed' : 'failed'}: ${sentence}`);
  }
  if (live?.arms) lines.push('', armTable(live.arms));
  else if (live) {
    const rows = live.findings.map((one) => [
      ...[one.measure, one.verdict, figureOf(one.estimate), `${figureOf(one.low)} … ${figureOf(one.high)}`],
      ...[figureOf(one.margin), one.requests, one.blocks === 0 ? '' : `${one.blocks} × ${secondsOf(one, live)}`],
    ]);
    const header = ['measure', 'verdict', 'estimate', 'confidence sequence', 'limit', 'requests', 'blocks'];
    lines.push('', formatTable(header, rows));
  }
  if (evidence.blocks > 0) {
    const interval = `${figureOf(evidence.low)} … ${figureOf(evidence.high)}`;
    lines.push(`labels: ${evidence.verdict}, ${interval} log loss a request, ${evidence.blocks} hours`);
  }
  for (const { decidedAt, from, to, weight: share, sentence } of rollout.decisions) {
    lines.push('', `${new Date(decidedAt).toISOString()} ${from} → ${to} (${share} %)`, sentence);
  }
  return lines.join('\n');
}

type Arms = NonNullable<NonNullable<Rollout['live']>['arms']>;

function candidatesOf({ model, candidate, live }: Pick<Rollout, 'model' | 'candidate' | 'live'>): string {
  const versions = live?.arms?.filter(({ name }) => name !== 'current').map(({ version }) => version);
  return `${model}@${versions?.join(',') ?? candidate}`;
}

/** The share of each arm as a bar; what is out is said so. */
function armLines(arms: Arms): string[] {
  return arms.map(({ name, version, weight, out }) => {
    const filled = Math.round((WIDTH * weight) / 100);
    const share = out ? `out (${out.kind})` : `${Number(weight.toFixed(2))} %`;
    return `${`${name} @${version ?? '-'}`.padEnd(24)} ${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${share}`;
  });
}

function armTable(arms: Arms): string {
  const rows = arms.map(({ name, out, scored, failures, typicalMs, mean, findings }) => {
    const metric = findings.find(({ measure }) => measure === 'metric');
    const worst = findings.find(({ verdict }) => verdict === 'worse');
    const verdict = out ? out.kind : worst ? `${worst.measure} worse` : (metric?.verdict ?? '');
    return [
      ...[name, verdict, scored, scored === 0 ? '-' : `${figureOf((100 * failures) / scored)} %`],
      ...[typicalMs === null ? '-' : `${figureOf(typicalMs)} ms`, figureOf(mean)],
      metric ? `${figureOf(metric.low)} … ${figureOf(metric.high)}` : '',
    ];
  });
  const header = ['arm', 'shows', 'requests', 'errors', 'latency', 'metric', 'against current, with its sequence'];
  return formatTable(header, rows);
}

function secondsOf({ merged }: { readonly merged: number }, { blockMs }: { readonly blockMs: number }): string {
  return formatDuration(merged * blockMs);
}

function figureOf(value: number | null): string {
  return value === null ? '-' : String(Number(value.toPrecision(3)));
}
