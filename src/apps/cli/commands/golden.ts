import type { Command } from 'commander';
import type { Kedge } from '#client';
import { UsageError } from '../failure.ts';
import { textOf } from '../read-file.ts';
import { formatTable } from '../table.ts';
import { type CommandOptions, connected, printJson, withKedge } from './connected.ts';

type Golden = Awaited<ReturnType<Kedge['serving']['listGolden']>>['items'];
type Request = Parameters<Kedge['serving']['addGolden']>[0]['body']['requests'][number];

/** `kedge golden`: requests whose answer is known, which a version has to answer so before it gets traffic. */
export function goldenCommands(program: Command): void {
  const golden = program.command('golden').description('list and record golden requests of an endpoint');
  connected(golden.command('list <endpoint>', { isDefault: true }).description('list them with their answers')).action(
    withKedge(async (kedge, [endpoint = ''], options) => {
      print((await kedge.serving.listGolden({ params: { endpoint } })).items, options);
    }),
  );
  connected(golden.command('add <endpoint> <file>').description('record those of a file of JSON lines'))
    .addHelpText(
      'after',
      '\nA line is {"name": "vip", "inputs": {"x": 1}, "expected": 0.8}, or of a model of tensors\n' +
        '{"name": "vip", "tensors": {"inputs": [{"name", "datatype", "shape", "data"}], "outputs": […]}}.',
    )
    .action(
      withKedge(async (kedge, [endpoint = '', file = ''], options) => {
        const requests = await requestsOf(file);
        print((await kedge.serving.addGolden({ params: { endpoint }, body: { requests } })).items, options);
      }),
    );
  connected(golden.command('sample <endpoint>').description('take them from the newest recorded predictions'))
    .option('--count <number>', 'how many', '50')
    .action(
      withKedge(async (kedge, [endpoint = ''], options) => {
        const body = { count: Number(options['count']) };
        print((await kedge.serving.sampleGolden({ params: { endpoint }, body })).items, options);
      }),
    );
  connected(golden.command('remove <endpoint> <name>').description('forget one')).action(
    withKedge(async (kedge, [endpoint = '', name = ''], options) => {
      print((await kedge.serving.removeGolden({ params: { endpoint, name } })).items, options);
    }),
  );
}

async function requestsOf(file: string): Promise<Request[]> {
  const lines = (await textOf(file)).split('\n').filter((line) => line.trim() !== '');
  return lines.map((line, i) => {
    try {
      return JSON.parse(line) as Request;
    } catch {
      throw new UsageError(`${file}: line ${i + 1} is no JSON`);
    }
  });
}

function print(items: Golden, options: CommandOptions): void {
  if (options.json) {
    printJson(items);
    return;
  }
  const rows = items.map(({ name, expected, source, revision, inputs, tensors }) => [
    ...[name, expected === null ? 'tensors' : String(Number(expected.toPrecision(6))), revision ?? source],
    JSON.stringify(tensors?.inputs ?? inputs).slice(0, 60),
  ]);
  process.stdout.write(`${formatTable(['name', 'expected', 'from', 'inputs'], rows)}\n`);
}
