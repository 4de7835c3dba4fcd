import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { parse } from 'yaml';
import { messageOf } from '#core/errors';
import { type CaseFile, caseFile } from './case.ts';
import { PipelineTestError } from './fixtures.ts';

const ENDINGS = ['.test.yaml', '.test.yml', '.test.json'];

/** The cases of a project, and the folder that their paths are relative to. */
export interface LoadedCases extends CaseFile {
  readonly path: string;
  readonly folder: string;
}

/** Reads the cases beside a project file, or those of `given`. Nothing where there are none. */
export async function loadCases(projectFile: string, given?: string): Promise<LoadedCases | undefined> {
  const stem = resolve(projectFile).slice(0, -extname(projectFile).length);
  const path = given === undefined ? ENDINGS.map((ending) => stem + ending).find(existsSync) : resolve(given);
  if (path === undefined) return undefined;
  let found: unknown;
  try {
    found = parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new PipelineTestError(`${path} cannot be read: ${messageOf(error)}`);
  }
  const parsed = caseFile.safeParse(found);
  if (parsed.success) return { ...parsed.data, path, folder: dirname(path) };
  const lines = parsed.error.issues.slice(0, 20).map(({ path: place, message }) => `  ${place.join('.')}: ${message}`);
  throw new PipelineTestError(`${path} is no file of cases:\n${lines.join('\n')}`);
}

/** What a file of cases looks like, for whoever has none yet. */
export function caseFileHint(projectFile: string): string {
  const path = resolve(projectFile).slice(0, -extname(projectFile).length) + ENDINGS[0];
  return [
    `there are no cases: write them into ${path}, such as`,
    '',
    'cases:',
    '  - name: two steps on a small table',
    '    params: { depth: 3 }',
    '    given:',
    '      fetch.table.csv: { file: fixtures/table.csv }',
    '    expect:',
    '      steps:',
    '        fit: { result: { rows: 12 } }',
  ].join('\n');
}
