import { readFile, writeFile } from 'node:fs/promises';
import type { StepContext } from 'kedge/steps';

interface Row {
  readonly parcel: string;
  readonly km: number;
  readonly hours: number;
}

interface Model {
  readonly base: number;
  readonly hoursPerKm: number;
}

export async function fetch({ params, output }: StepContext): Promise<void> {
  const response = await globalThis.fetch(String(params['source']));
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  await writeFile(output('parcels.csv'), await response.text());
}

/** Rows that were delivered, without those that went further than the van does. */
export async function prepare({ params, inputs, output, log }: StepContext) {
  const [, ...lines] = (await readFile(inputs['parcels'] ?? '', 'utf8')).trim().split('\n');
  const rows = lines.map((line): Row => {
    const [parcel = '', km, hours] = line.split(',');
    return { parcel, km: Number(km), hours: Number(hours) };
  });
  const broken = rows.find(({ km, hours }) => !(km >= 0 && hours > 0));
  if (broken) throw new Error(`parcel ${broken.parcel} has no distance or no hours`);
  const kept = rows.filter(({ km }) => km <= Number(params['kmMax']));
  log(`${kept.length} of ${rows.length} parcels`);
  await writeFile(output('rows.jsonl'), kept.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return { rows: kept.length };
}

/** Least squares of hours on kilometres. */
export async function fit({ inputs, output }: StepContext): Promise<void> {
  const rows = await rowsOf(inputs['rows']);
  const [km, hours] = [mean(rows.map((row) => row.km)), mean(rows.map((row) => row.hours))];
  const slope =
    mean(rows.map((row) => (row.km - km) * (row.hours - hours))) / mean(rows.map((row) => (row.km - km) ** 2));
  const model: Model = { base: hours - slope * km, hoursPerKm: slope };
  await writeFile(output('model.json'), JSON.stringify(model));
}

/** The mean absolute error in hours. */
export async function check({ inputs, metric }: StepContext) {
  const rows = await rowsOf(inputs['rows']);
  const { base, hoursPerKm } = JSON.parse(await readFile(inputs['model'] ?? '', 'utf8')) as Model;
  const error = mean(rows.map(({ km, hours }) => Math.abs(hours - base - hoursPerKm * km)));
  metric('error', error);
  return { error };
}

export async function ship({ inputs, log }: StepContext): Promise<void> {
  log('shipped', await readFile(inputs['model'] ?? '', 'utf8'));
}

async function rowsOf(path = ''): Promise<Row[]> {
  const lines = (await readFile(path, 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Row);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
