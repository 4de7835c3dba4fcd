import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { pipelineMigrations } from '#pipelines';
import { versionRegistered } from '#registry';
import { forEachDialect } from '#testing/databases';
import { lineageMigrations } from './index.ts';
import type { Facets, LineageDataset, RunEvent } from './spec.ts';
import { liveNested, liveThrough, openLineage } from './testing.ts';

const PYTHON = process.env['KEDGE_TEST_OPENLINEAGE'] ?? '';
const CHECK = fileURLToPath(new URL('../../test/protocol/openlineage/check.py', import.meta.url));
const OWN_SCHEMAS = new URL('../../docs/reference/openlineage-facets.json', import.meta.url);
const OWN = 'urn:kedge:';

const facetsOf = ({ run, job, inputs, outputs }: RunEvent): Facets[] => [
  ...[run.facets, job.facets],
  ...[...inputs, ...outputs].flatMap((dataset: LineageDataset) => [
    dataset.facets,
    dataset.inputFacets ?? {},
    dataset.outputFacets ?? {},
  ]),
];

/** An event as OpenLineage's client would write it: without the facets that it cannot know, and without empty ones. */
function withoutOwn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutOwn);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([, item]) => !isOwn(item) && !isEmpty(item));
  return Object.fromEntries(kept.map(([name, item]) => [name, withoutOwn(item)]));
}
const isOwn = (item: unknown): boolean =>
  typeof item === 'object' && item !== null && '_schemaURL' in item && String(item._schemaURL).startsWith(OWN);
const isEmpty = (item: unknown): boolean => typeof item === 'object' && item !== null && Object.keys(item).length === 0;

const TYPES = ['START', 'RUNNING', 'COMPLETE', 'FAIL', 'OTHER'] as const;

/** Events of all kinds: of a run and its steps, of runs inside, and of a version of a model that one registers. */
async function eventsOfAll(l: Awaited<ReturnType<typeof openLineage>>): Promise<RunEvent[]> {
  const runs = [await liveThrough(l)];
  const { run, inside } = await liveNested(l);
  const cause = { kind: 'user', id: 'user:ada', depth: 0 } as const;
  const runId = inside.get('train') ?? '';
  await l.db.maintain(async (tx) => {
    tx.emit(versionRegistered.draft('model-version/delays@3', { model: 'delays', version: 3, runId, cause }));
  });
  const events: RunEvent[] = [];
  for (const id of [...runs, run, ...inside.values()]) events.push(...(await l.events(id)));
  return events;
}

forEachDialect('Events as others read them', [...pipelineMigrations, ...lineageMigrations], (open) => {
  const skip = !existsSync(PYTHON) && 'KEDGE_TEST_OPENLINEAGE names no Python made by tools/ci/openlineage.sh';
  test('OpenLineage’s Python client reads every event into its own classes, and writes the same', {
    skip,
  }, async (t) => {
    const l = await openLineage(t, open);
    const events = await eventsOfAll(l);

    const read = await new Promise<string>((resolve, reject) => {
      const child = execFile(PYTHON, [CHECK], { timeout: 120_000 }, (error, stdout, stderr) =>
        error ? reject(new Error(stderr)) : resolve(stdout),
      );
      child.stdin?.end(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    });

    const written = read
      .trim()
      .split('\n')
      .map((line) => withoutOwn(JSON.parse(line)));
    assert.deepEqual(new Set(events.map(({ eventType }) => eventType)), new Set(TYPES));
    assert.deepEqual(written, events.map(withoutOwn));
  });

  test('the facets that are Kedge’s own fit the schemas that the documentation has of them', async (t) => {
    const l = await openLineage(t, open);
    const events = await eventsOfAll(l);
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    ajv.addSchema(JSON.parse(readFileSync(OWN_SCHEMAS, 'utf8')));
    const seen = new Set<string>();

    for (const facet of events.flatMap(facetsOf).flatMap((facets) => Object.values(facets))) {
      const url = String(facet['_schemaURL']);
      if (!url.startsWith(OWN)) continue;
      seen.add(url.split('/').at(-1) ?? '');
      const fits = ajv.getSchema(url);
      assert.ok(fits?.(facet), `${JSON.stringify(facet)}: ${JSON.stringify(fits?.errors)}`);
    }

    assert.deepEqual([...seen].sort(), [
      ...['KedgeContentDatasetFacet', 'KedgeEnvironmentRunFacet', 'KedgeGraphJobFacet', 'KedgeRunFacet'],
    ]);
  });
});
