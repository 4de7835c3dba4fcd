import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pipelineMigrations } from '#pipelines';
import { forEachDialect } from '#testing/databases';
import { openLineageRunId } from './identity.ts';
import { lineageMigrations } from './index.ts';
import type { LineageDataset, RunEvent } from './spec.ts';
import { liveNested, openLineage } from './testing.ts';

const told = (event: RunEvent): string => `${event.job.name} ${event.eventType}`;
const namesOf = (datasets: readonly LineageDataset[]): string[] => datasets.map(({ name }) => name).sort();

forEachDialect('Lineage of runs in runs', [...pipelineMigrations, ...lineageMigrations], (open) => {
  test('a run names the step that it is as its parent, and with its steps the outermost run as its root', async (t) => {
    const l = await openLineage(t, open);
    const { run, inside } = await liveNested(l);
    const outermost = { run: { runId: openLineageRunId(run) }, job: { namespace: 'ns', name: 'outer' } };
    const parentOf = (event: RunEvent | undefined) => {
      const { run: of, job, root } = event?.run.facets['parent'] ?? {};
      return { of, job, root };
    };

    const outer = await l.events(run);
    assert.equal(outer[0]?.run.facets['parent'], undefined);
    const units = [inside.get('each:0'), inside.get('each:1')].map((child) => ({ child, step: 'each' }));
    for (const { child, step } of [{ child: inside.get('train'), step: 'train' }, ...units]) {
      assert.ok(child);
      const events = await l.events(child);
      assert.deepEqual(parentOf(events[0]), {
        of: { runId: openLineageRunId(run, step) },
        job: { namespace: 'ns', name: `outer.${step}` },
        root: outermost,
      });
      const fit = events.find((event) => told(event) === 'inner.fit COMPLETE');
      assert.deepEqual(parentOf(fit), {
        of: { runId: openLineageRunId(child) },
        job: { namespace: 'ns', name: 'inner' },
        root: outermost,
      });
    }
    const step = outer.find((event) => told(event) === 'outer.train START');
    assert.equal(step?.run.runId, openLineageRunId(run, 'train'), 'what the run inside names as its parent is told');
  });

  test('edges lead through runs: what is handed in and what comes out is called as where it was written', async (t) => {
    const l = await openLineage(t, open);
    const { run, inside } = await liveNested(l);
    const outer = await l.events(run);
    const of = (name: string) => outer.find((event) => told(event) === name);
    const fit = (await l.events(inside.get('train') ?? '')).find((event) => told(event) === 'inner.fit COMPLETE');

    const [rows] = of('outer.prep COMPLETE')?.outputs ?? [];
    assert.deepEqual(namesOf(fit?.inputs ?? []), ['dataset/flights', 'outer/prep.rows']);
    assert.deepEqual(fit?.inputs.find(({ name }) => name === rows?.name)?.facets['version'], rows?.facets['version']);
    const flights = fit?.inputs.find(({ name }) => name === 'dataset/flights');
    assert.equal(flights?.inputFacets?.['dataQualityMetrics']?.['rowCount'], 40);

    const train = of('outer.train COMPLETE');
    assert.deepEqual(namesOf(train?.inputs ?? []), ['outer/prep.rows']);
    const [model] = train?.outputs ?? [];
    assert.deepEqual(model?.facets['version'], fit?.outputs[0]?.facets['version']);
    assert.deepEqual(model?.facets['symlinks']?.['identifiers'], [
      { namespace: 'ns', name: fit?.outputs[0]?.name, type: 'FILE' },
    ]);
    const [all] = of('outer.each COMPLETE')?.outputs ?? [];
    const pick = of('outer.pick COMPLETE');
    assert.deepEqual(namesOf(pick?.inputs ?? []), [all?.name, model?.name].sort());
    const read = pick?.inputs.find(({ name }) => name === all?.name);
    assert.deepEqual(read?.facets['version'], all?.facets['version']);
  });

  test('the start of a run has its graph, and each step the runs of those that it needs', async (t) => {
    const l = await openLineage(t, open);
    const { run } = await liveNested(l);
    const [start, ...others] = await l.events(run);
    assert.deepEqual(start?.job.facets['kedge_graph']?.['steps'], [
      { step: 'prep', needs: [], pipeline: null, divided: false },
      { step: 'train', needs: ['prep'], pipeline: 'inner', divided: false },
      { step: 'each', needs: ['prep'], pipeline: 'inner', divided: true },
      { step: 'pick', needs: ['train', 'each'], pipeline: null, divided: false },
    ]);
    assert.ok(others.every((event) => event.job.facets['kedge_graph'] === undefined));
    const pick = others.find((event) => told(event) === 'outer.pick COMPLETE');
    const { upstream } = pick?.run.facets['jobDependencies'] ?? {};
    assert.deepEqual(
      (upstream as { run: unknown; job: { name: string } }[]).map(({ run: of, job }) => [of, job.name]),
      ['train', 'each'].map((step) => [{ runId: openLineageRunId(run, step) }, `outer.${step}`]),
    );
  });
});
