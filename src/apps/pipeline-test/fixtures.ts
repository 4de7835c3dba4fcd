import { readFile, stat, writeFile } from 'node:fs/promises';
import { extname, join, resolve } from 'node:path';
import type { Kedge } from '#client';
import { messageOf } from '#core/errors';
import { isDirectory, outputName } from '#pipelines';
import { ProblemError } from '#platform/contract';
import type { Fixture, TestCase } from './case.ts';
import { outputVariable } from './derive.ts';

/** A mistake in a case or a project, told without a stack. */
export class PipelineTestError extends Error {
  override readonly name = 'PipelineTestError';
}

/** The content that a fixture stands for. Paths are relative to `folder`. */
export async function contentOf(fixture: Fixture, name: string, folder: string): Promise<Uint8Array> {
  if ('text' in fixture) return Buffer.from(fixture.text);
  if ('json' in fixture) return Buffer.from(JSON.stringify(fixture.json));
  if ('rows' in fixture) return Buffer.from(fixture.rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const path = resolve(folder, fixture.file);
  return readFile(path).catch((error: unknown) => {
    throw new PipelineTestError(`given '${name}': ${path} cannot be read: ${messageOf(error)}`);
  });
}

/** Where the folder lies that stands for a directory. */
async function folderOf(fixture: Fixture, name: string, folder: string): Promise<string> {
  if (!('file' in fixture)) throw new PipelineTestError(`given '${name}': it is a directory: give { file: <folder> }`);
  const path = resolve(folder, fixture.file);
  const found = await stat(path).catch(() => undefined);
  if (!found?.isDirectory()) throw new PipelineTestError(`given '${name}': ${path} is no folder`);
  return path;
}

/** Writes what a stand-in copies, and the file that tells it so. */
export async function writePlan(
  of: {
    readonly path: string;
    readonly step: string;
    readonly outputs: readonly string[];
    readonly folder: string;
  },
  test: Pick<TestCase, 'given' | 'results'>,
): Promise<Map<string, Uint8Array>> {
  const contents = new Map<string, Uint8Array>();
  const outputs: [string, string][] = [];
  for (const [i, output] of of.outputs.entries()) {
    const name = `${of.step}.${outputName(output)}`;
    const fixture = test.given[name];
    if (!fixture) continue;
    if (isDirectory(output)) {
      outputs.push([outputVariable(output), await folderOf(fixture, name, of.folder)]);
      continue;
    }
    const content = await contentOf(fixture, name, of.folder);
    const path = `${of.path}.${i}`;
    await writeFile(path, content);
    contents.set(name, content);
    outputs.push([outputVariable(output), path]);
  }
  await writeFile(of.path, JSON.stringify({ outputs, result: test.results[of.step] }));
  return contents;
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.csv': 'text/csv',
  '.parquet': 'application/vnd.apache.parquet',
  '.jsonl': 'application/x-ndjson',
  '.ndjson': 'application/x-ndjson',
};

/** Commits the rows of a fixture to a dataset, where they have to pass what the dataset expects. */
export async function commitRows(kedge: Kedge, dataset: string, fixture: Fixture, folder: string): Promise<void> {
  const name = `dataset:${dataset}`;
  const extension = 'file' in fixture ? extname(fixture.file).toLowerCase() : '.jsonl';
  const contentType = MEDIA_TYPES[extension];
  if (!contentType || 'text' in fixture || 'json' in fixture) {
    const kinds = Object.keys(MEDIA_TYPES).join(', ');
    throw new PipelineTestError(`given '${name}': give rows, or a file that ends with ${kinds}`);
  }
  const bytes = new Uint8Array(await contentOf(fixture, name, folder));
  try {
    const batch = await kedge.datasets.commitBatch({
      params: { dataset, batch: 'fixture' },
      upload: { contentType, bytes },
    });
    if (batch.status === 'committed') return;
    const failed = batch.report.checks.filter(({ outcome }) => outcome !== 'passed' && outcome !== 'warned');
    const names = failed.map((check) => `${check.name} (${check.failedRows} rows)`).join(', ');
    throw new PipelineTestError(`given '${name}': the dataset holds rows back: ${names || batch.status}`);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    throw new PipelineTestError(`given '${name}': ${error.message}`);
  }
}

/** The path of the plan of a stand-in. */
export function planPath(folder: string, step: string): string {
  return join(folder, `${step}.json`);
}
