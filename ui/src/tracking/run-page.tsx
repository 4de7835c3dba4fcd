import { useQuery } from '@tanstack/react-query';
import { formatDurationShort } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useNow } from '../data/use-now.ts';
import { usePathParams } from '../data/use-params.ts';
import { Age } from '../kit/age.tsx';
import { Id } from '../kit/copy.tsx';
import { Go } from '../kit/link.tsx';
import { Columns, Facts, Page, Section } from '../kit/page.tsx';
import { Empty, Load, Loading } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { Artifacts } from './artifacts.tsx';
import { Curves } from './curves.tsx';
import { durationOf, isOwnTag, numberOf, type TrackedRun } from './run.ts';
import { metricText } from './run-columns.tsx';
import { RunInputs } from './run-inputs.tsx';

const LIVE_MS = 5_000;

export function TrackedRunPage() {
  const { run: id } = usePathParams('run');
  const tab = useTab(['overview', 'curves', 'files', 'lineage']);
  const found = useQuery({
    ...read('tracking', 'getTrackingRun', { params: { run: id } }),
    refetchInterval: ({ state }) => (state.data?.status === 'running' ? LIVE_MS : false),
  });
  const run = found.data;
  return (
    <Page
      title={run?.name ?? id}
      crumbs={[
        { label: 'Experiments', to: places.experiments() },
        ...(run ? [{ label: run.experiment.name, to: places.experiment(run.experiment.id) }] : []),
      ]}
      state={
        run ? <StatusChip status={run.status} detail={run.lifecycle === 'deleted' ? '(deleted)' : undefined} /> : null
      }
      lead={run?.tags['mlflow.note.content']}
    >
      <TabBar
        tabs={[
          { id: 'overview', label: 'Overview' },
          { id: 'curves', label: 'Curves', count: run ? Object.keys(run.metrics).length : undefined },
          { id: 'files', label: 'Files' },
          { id: 'lineage', label: 'Inputs and outputs' },
        ]}
        current={tab}
        drop={['file', 'from', 'to']}
      />
      <Load query={found} loading={<Loading rows={14} />}>
        {(view) => (
          <>
            {tab === 'overview' ? <Overview run={view} /> : null}
            {tab === 'curves' ? <Curves runs={[view]} /> : null}
            {tab === 'files' ? <Artifacts run={view} /> : null}
            {tab === 'lineage' ? <RunInputs run={view} /> : null}
          </>
        )}
      </Load>
    </Page>
  );
}

function Overview({ run }: { readonly run: TrackedRun }) {
  const metrics = Object.entries(run.metrics).map(([key, point]) => ({ key, ...point }));
  const params = Object.entries(run.params).map(([key, value]) => ({ key, value }));
  return (
    <Columns facts={<RunFacts run={run} />}>
      <div className="columns-pair">
        <Section title="Metrics" note="the value of the highest step">
          <DataTable
            label="metrics"
            name="m-"
            rows={metrics}
            idOf={(row) => row.key}
            to={(row) => places.trackedRun(run.id, run.experiment.id, { tab: 'curves', metrics: row.key })}
            empty={<Empty what="No metric was logged." />}
            columns={[
              { id: 'key', header: 'Metric', value: (row) => row.key },
              {
                id: 'value',
                header: 'Value',
                value: (row) => numberOf(row.value),
                cell: (row) => metricText(run, row.key),
                isNumeric: true,
              },
              { id: 'step', header: 'Step', value: (row) => row.step, isNumeric: true },
            ]}
          />
        </Section>
        <Section title="Params">
          <DataTable
            label="params"
            name="p-"
            rows={params}
            idOf={(row) => row.key}
            empty={<Empty what="No param was logged." />}
            columns={[
              { id: 'key', header: 'Param', value: (row) => row.key },
              { id: 'value', header: 'Value', value: (row) => row.value, isWide: true },
            ]}
          />
        </Section>
      </div>
    </Columns>
  );
}

function RunFacts({ run }: { readonly run: TrackedRun }) {
  const now = useNow();
  const tags = Object.entries(run.tags);
  const own = tags.filter(([key]) => isOwnTag(key));
  const others = tags.filter(([key]) => !isOwnTag(key) && !SHOWN_ABOVE.includes(key));
  return (
    <>
      <Facts
        title="Run"
        items={[
          ['Id', <Id key="id" value={run.id} />],
          ['Started', <Age key="started" at={run.startedAt} />],
          ['by', run.userId || run.startedBy],
          ...(run.userId && run.userId !== run.startedBy ? ([['signed in as', run.startedBy]] as const) : []),
          [run.endedAt === null ? 'Running for' : 'Took', formatDurationShort(durationOf(run, now))],
          ...(run.source
            ? ([
                [
                  'Step',
                  <Go key="step" to={places.run(run.source.run, { step: run.source.step })}>
                    {run.source.step} of {run.source.run}
                  </Go>,
                ],
              ] as const)
            : []),
          ['Files below', run.artifactUri],
        ]}
      />
      {own.length > 0 ? <Facts title="Tags" items={own} /> : null}
      {others.length > 0 ? <Facts title="Tags of MLflow" items={others.map(factOfTag)} /> : null}
    </>
  );
}

/** The page has these in its head. */
const SHOWN_ABOVE = ['mlflow.note.content', 'mlflow.runName', 'mlflow.user'];
const TAG_SHOWN = 120;

function factOfTag([key, value]: readonly [string, string]) {
  const shown = value.length > TAG_SHOWN ? `${value.slice(0, TAG_SHOWN)}…` : value;
  return [
    key.slice('mlflow.'.length),
    <span key={key} title={value}>
      {shown}
    </span>,
  ] as const;
}
