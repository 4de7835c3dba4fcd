import { z } from 'zod';
import type { Json } from '#core/json';
import { jsonValue } from '#pipelines/contract';

/** What stands for something that a case does not compute. A path is relative to the file that names it. */
const fixture = z.union([
  z.strictObject({ file: z.string().min(1).max(4_096) }),
  z.strictObject({ text: z.string() }),
  z.strictObject({ json: jsonValue }),
  /** Rows of a dataset, or of an output that is read as JSON lines. */
  z.strictObject({ rows: z.array(z.record(z.string(), jsonValue)).min(1) }),
]);
export type Fixture = z.output<typeof fixture>;

/** What an output has to be, for whoever reads it: checked of what the step writes and of what a case gives for it. */
const outputContract = z.union([
  /** A JSON schema (draft 2020-12). */
  z.strictObject({ json: z.record(z.string(), jsonValue) }),
  /** Columns that a table in CSV or JSON lines has at least. */
  z.strictObject({ columns: z.array(z.string().min(1)).min(1) }),
]);
export type OutputContract = z.output<typeof outputContract>;

const status = z.enum(['succeeded', 'failed', 'skipped', 'cancelled', 'cached']);

const expectedOutput = z.strictObject({
  text: z.string().optional(),
  json: jsonValue.optional(),
  /** The content has this in it. */
  contains: z.string().optional(),
  digest: z.string().optional(),
});

const expected = z.strictObject({
  status: z.enum(['succeeded', 'failed', 'cancelled']).default('succeeded'),
  steps: z
    .record(
      z.string(),
      z.strictObject({
        status: status.optional(),
        /** What the step returned has at least this in it. */
        result: jsonValue.optional(),
        /** A part of the reason why it failed or was skipped. */
        reason: z.string().optional(),
        outputs: z.record(z.string(), expectedOutput).default({}),
      }),
    )
    .default({}),
});
export type Expected = z.output<typeof expected>;

/** One way to run a pipeline, or some of its steps, on fixtures. */
export const testCase = z.strictObject({
  name: z.string().min(1).max(200).default('case'),
  /** The pipeline of the project; not needed where it has one. */
  pipeline: z.string().optional(),
  params: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  seed: z.number().int().min(0).max(4_294_967_295).optional(),
  /** The steps to run; all that nothing is given for, unless told. */
  steps: z.array(z.string()).min(1).optional(),
  /** What is not computed: `<step>.<output>`, or a reference such as `dataset:flights`. */
  given: z.record(z.string(), fixture).default({}),
  /** What steps that are not run return. */
  results: z.record(z.string(), jsonValue).default({}),
  /** How steps that wait for a person are decided: approved, unless told. */
  decisions: z.record(z.string(), z.enum(['approve', 'reject'])).default({}),
  expect: expected.prefault({}),
});
export type TestCase = z.output<typeof testCase>;
export type TestCaseInput = z.input<typeof testCase>;

/** The file with the cases of a project: `kedge.test.yaml` beside `kedge.ts`. */
export const caseFile = z.strictObject({
  /** What outputs have to be, by `<step>.<output>`; of several pipelines, by `<pipeline>/<step>.<output>`. */
  contracts: z.record(z.string(), outputContract).default({}),
  cases: z.array(testCase).min(1).max(200),
});
export type CaseFile = z.output<typeof caseFile>;

/** Whether `found` has all of `wanted` in it: objects may have more, lists may not. Answers where it does not. */
export function missingIn(wanted: Json, found: Json | undefined, path = ''): string | undefined {
  const here = path === '' ? 'it' : path;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(found)) return `${here} is ${shown(found)}, expected a list`;
    if (found.length !== wanted.length) return `${here} has ${found.length} items, expected ${wanted.length}`;
    return first(wanted.map((item, i) => missingIn(item, found[i], `${path}[${i}]`)));
  }
  if (wanted !== null && typeof wanted === 'object') {
    if (found === null || typeof found !== 'object' || Array.isArray(found)) {
      return `${here} is ${shown(found)}, expected an object`;
    }
    const values = found as { readonly [name: string]: Json };
    return first(
      Object.entries(wanted).map(([name, item]) =>
        missingIn(item, Object.hasOwn(values, name) ? values[name] : undefined, path === '' ? name : `${path}.${name}`),
      ),
    );
  }
  return wanted === found ? undefined : `${here} is ${shown(found)}, expected ${shown(wanted)}`;
}

function first(problems: readonly (string | undefined)[]): string | undefined {
  return problems.find((problem) => problem !== undefined);
}

function shown(value: Json | undefined): string {
  return value === undefined ? 'absent' : JSON.stringify(value).slice(0, 200);
}
