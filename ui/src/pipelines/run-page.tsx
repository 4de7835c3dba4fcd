import { useQueries, useQuery } from '@tanstack/react-query';
import type { PipelineSpec, RunDetail } from '#pipelines/contract';
import { exactTime, formatPercent } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useNow } from '../data/use-now.ts';
import { usePathParams } from '../data/use-params.ts';
import { useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Id } from '../kit/copy.tsx';
import { Go } from '../kit/link.tsx';
import { Columns, Facts, Page, Section } from '../kit/page.tsx';
import { Load, Loading } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { places } from '../places.ts';
import { Gantt } from './gantt/gantt.tsx';
import { Graph } from './graph/graph.tsx';
import { RunActions } from './run-actions.tsx';
import { RunText } from './run-text.tsx';
import { causeOf, durationOf, durationText, firstInterest, placeWithin } from './run-words.ts';
import { StepPanel } from './step-panel.tsx';

export function RunPage() {
  const { run: id } = usePathParams('run');
  const run = useQuery(read('pipelines', 'getPipelineRun', { params: { run: id } }));
  const pipeline = run.data?.pipeline;
  const short = id.length > 24 ? `${id.slice(0, 24)}…` : id;
  return (
    <Page
      title={short}
      crumbs={[
        { label: 'Pipelines', to: places.pipelines() },
        ...(pipeline ? [{ label: pipeline, to: places.pipeline(pipeline) }] : []),
      ]}
      state={run.data ? <RunState run={run.data} /> : null}
      actions={run.data ? <RunActions run={run.data} /> : null}
    >
      <Load query={run} loading={<Loading rows={14} />}>
        {(view) => <RunDetailView run={view} />}
      </Load>
    </Page>
  );
}

function RunState({ run }: { readonly run: RunDetail }) {
  const isPaused = run.pausedAt !== null && run.finishedAt === null;
  return <StatusChip status={isPaused ? 'held' : run.status} detail={isPaused ? 'paused' : undefined} />;
}

/** What the address says of the chosen step alone. */
const STEP_KEYS = { log: undefined, line: undefined, units: undefined, behind: undefined, unit: undefined };

function RunDetailView({ run }: { readonly run: RunDetail }) {
  const url = useUrl();
  const now = useNow();
  const chosen = url.get('step') ?? firstInterest(run);
  const step = run.steps.find((each) => each.step === chosen) ?? run.steps[0];
  const choose = (name: string) => url.set({ step: name, ...STEP_KEYS });
  return (
    <Columns facts={<RunFacts run={run} />}>
      <Within run={run} />
      <p className="verdict">
        <RunText text={sentenceOf(run, now)} />
      </p>
      <Section title="Steps" note="wall time from the start of the run">
        {run.steps.length > 1 ? <Graph steps={run.steps} chosen={step?.step} onChoose={choose} /> : null}
        <Gantt run={run} chosen={step?.step} onChoose={choose} />
      </Section>
      {step ? <StepPanel key={step.step} run={run} step={step} /> : null}
    </Columns>
  );
}

/** Leads from a run that is a step or unit of another back to it. */
function Within({ run }: { readonly run: RunDetail }) {
  const within = placeWithin(run);
  if (!within) return null;
  return <WithinRun {...within} />;
}

function WithinRun({ run, text, to }: NonNullable<ReturnType<typeof placeWithin>>) {
  const parent = useQuery(read('pipelines', 'getPipelineRun', { params: { run } }));
  return (
    <p className="muted">
      {`This run is ${text} of `}
      <Go to={to} title={run}>
        {parent.data ? `a run of ${parent.data.pipeline}` : run}
      </Go>
    </p>
  );
}

/** How the run stands, in one sentence. */
function sentenceOf(run: RunDetail, now: number): string {
  const done = run.steps.filter(({ status }) => status === 'succeeded' || status === 'cached').length;
  const cached = run.steps.filter(({ status }) => status === 'cached').length;
  const steps = `${done} of ${run.steps.length} steps done${cached > 0 ? `, ${cached} of them from the cache` : ''}`;
  const took = durationText(durationOf(run, now));
  if (run.status === 'failed') return `Failed after ${took}: ${run.reason ?? 'a step failed'}. ${steps}.`;
  if (run.status === 'cancelled') return `Cancelled after ${took}: ${run.reason ?? 'by a person'}. ${steps}.`;
  if (run.status === 'succeeded') return `Succeeded in ${took}; ${steps}.`;
  if (run.status === 'queued' && run.admittedAt === null) return `Waits for other runs of ${run.pipeline} to end.`;
  if (run.status === 'queued') return `Waits for a worker; ${steps}.`;
  const asked = run.steps.find(({ status }) => status === 'waiting');
  if (asked) {
    const until = asked.readyAt === null ? '' : ` until ${exactTime(asked.readyAt)} at most`;
    return `${asked.step} waits${until}; ${steps}.`;
  }
  const current = run.steps.filter(({ status }) => status === 'running');
  const names = current.map(({ step, progress }) =>
    progress && progress.of > 0 ? `${step} (${formatPercent(progress.n / progress.of, 0)})` : step,
  );
  return `Runs for ${took}: ${names.join(', ') || 'between steps'}; ${steps}.`;
}

function RunFacts({ run }: { readonly run: RunDetail }) {
  const paramText = useParamText(run.pipeline);
  const cause = causeOf(run);
  const made = useMadeVersions(run);
  return (
    <>
      <Facts
        title="Run"
        items={[
          ['Id', <Id key="id" value={run.run} />],
          [
            'Pipeline',
            <Go
              key="pipeline"
              to={places.pipeline(run.pipeline)}
            >{`${run.pipeline}, generation ${run.generation}`}</Go>,
          ],
          [
            'Started by',
            cause.to ? (
              <Go key="cause" to={cause.to}>
                {cause.text}
              </Go>
            ) : (
              cause.text
            ),
          ],
          ['Created', <Age key="created" at={run.createdAt} />],
          ['Started', <Age key="started" at={run.startedAt} />],
          ['Finished', <Age key="finished" at={run.finishedAt} />],
          ...(run.origin === null
            ? []
            : [
                [
                  'In place of',
                  <Go key="origin" to={places.run(run.origin)}>
                    {run.origin.slice(0, 16)}…
                  </Go>,
                ] as const,
              ]),
          ...(run.partition === null ? [] : [['Partition', run.partition] as const]),
          ['Priority', run.priority],
          ['Seed', run.seed],
          ['Project', run.project ?? '–'],
        ]}
      />
      {Object.keys(run.params).length > 0 ? (
        <Facts
          title="Parameters"
          items={Object.entries(run.params).map(([name, value]) => [name, paramText(name, value)] as const)}
        />
      ) : null}
      {made.length > 0 ? <Facts title="Registered" items={made} /> : null}
    </>
  );
}

/** Values as the pipeline declares them: a timestamp is stored as a number and read as a time. */
function useParamText(pipeline: string) {
  const resource = useQuery(read('resources', 'getResource', { params: { kind: 'pipeline', name: pipeline } }));
  const declared = resource.data ? (resource.data.spec as PipelineSpec).params : {};
  return (name: string, value: string | number | boolean) =>
    declared[name]?.type === 'timestamp' && typeof value === 'number' ? exactTime(value) : String(value);
}

/** Model versions that name this run as theirs, whichever model they belong to. */
function useMadeVersions(run: RunDetail) {
  const models = useQuery(read('registry', 'listModels')).data?.items ?? [];
  const answers = useQueries({
    queries: models.map(({ name }) =>
      read('registry', 'listVersions', { params: { model: name }, query: { run: run.run } }),
    ),
  });
  const versions = answers.flatMap(({ data }) => data?.items ?? []);
  return versions.map(
    ({ model, version, aliases }) =>
      [
        model,
        <Go key={version} to={places.version(model, version)}>
          {`version ${version}${aliases.length > 0 ? ` (${aliases.join(', ')})` : ''}`}
        </Go>,
      ] as const,
  );
}
