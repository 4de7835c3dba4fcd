/** What surrounds the script: its table as CSV, and the registration of the model that it wrote. */
import { writeFileSync } from 'node:fs';
import { inputOf, readJson, readTable, registerModel, type SnapshotFile, type StepContext } from 'kedge/steps';

/** `_at` is the time of the row's event in epoch milliseconds. */
const COLUMNS = ['_at', 'precipitation', 'temp_max', 'temp_min', 'wind', 'day_of_year'];

/** Writes the days before `until` as CSV, in the order of their dates. */
export async function days(ctx: StepContext) {
  const snapshot = readJson<SnapshotFile>(inputOf(ctx, 'weather'));
  const rows: number[][] = [];
  for (const { path } of snapshot.blobs) {
    const table = await readTable(path);
    const columns = COLUMNS.map((name) => {
      const column = table.columns.get(name);
      if (!column || column.kind === 'text') throw new Error(`${path}: expected numbers in the column '${name}'`);
      return column.values;
    });
    for (let row = 0; row < table.rows; row++) rows.push(columns.map((values) => values[row] ?? Number.NaN));
  }
  const kept = rows.filter(([at = 0]) => at < Number(ctx.params['until'])).sort(([a = 0], [b = 0]) => a - b);
  writeFileSync(ctx.output('days.csv'), `${[COLUMNS, ...kept].map((row) => row.join()).join('\n')}\n`);
  return { days: kept.length, commit: snapshot.commit };
}

export function register(ctx: StepContext) {
  return registerModel(ctx, { model: 'rain', tags: { framework: 'scikit-learn' } });
}
