import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Columnar, type ColumnTable, quoted } from '#platform/columnar';

/** Runs `work` with a columnar engine that may read the directories of the given files. */
export async function withColumnar<T>(files: readonly string[], work: (columnar: Columnar) => Promise<T>): Promise<T> {
  const scratchDir = await mkdtemp(join(tmpdir(), 'kedge-step-'));
  const columnar = await Columnar.open({ directories: [...new Set(files.map((file) => dirname(file)))], scratchDir });
  try {
    return await work(columnar);
  } finally {
    await columnar.close();
    await rm(scratchDir, { recursive: true, force: true });
  }
}

/** The rows of a Parquet file. */
export function readTable(path: string): Promise<ColumnTable> {
  return withColumnar([path], (columnar) => columnar.query(`select * from read_parquet(${quoted(path)})`));
}

/** Writes rows to a Parquet file. */
export async function writeTable(table: ColumnTable, path: string): Promise<void> {
  await withColumnar([path], (columnar) =>
    columnar.exclusive(async (session) => {
      await session.load('result', table);
      await session.writeParquet('select * from result', path);
    }),
  );
}

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

export function writeJson(path: string, value: unknown): void {
  writeFileSync(path, JSON.stringify(value));
}
