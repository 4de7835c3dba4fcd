import { useQuery } from '@tanstack/react-query';
import { formatCount, formatDurationShort } from '../../data/format.ts';
import { read } from '../../data/read.ts';
import { usePathParams } from '../../data/use-params.ts';
import { Age } from '../../kit/age.tsx';
import { Id } from '../../kit/copy.tsx';
import { KeyFigures } from '../../kit/key-figures.tsx';
import { Go } from '../../kit/link.tsx';
import { Columns, Facts, Page } from '../../kit/page.tsx';
import { Load, Loading } from '../../kit/states.tsx';
import { StatusChip } from '../../kit/status.tsx';
import { TabBar, useTab } from '../../kit/tabs.tsx';
import { places } from '../../places.ts';
import { isOwnTag } from '../run.ts';
import { Assessments } from './assessments.tsx';
import { Spans } from './spans.tsx';
import { formatMicros, STATUS_OF_STATE, type TraceWithSpans } from './trace.ts';

const LIVE_MS = 3_000;

export function TracePage() {
  const { trace: id } = usePathParams('trace');
  const tab = useTab(['spans', 'assessments', 'about']);
  const found = useQuery({
    ...read('tracking', 'getTrace', { params: { trace: id } }),
    refetchInterval: ({ state }) => (state.data?.state === 'IN_PROGRESS' ? LIVE_MS : false),
  });
  const trace = found.data;
  const experiment = useQuery({
    ...read('tracking', 'getExperiment', { params: { experiment: trace?.experiment ?? '' } }),
    enabled: trace !== undefined,
  });
  return (
    <Page
      title={trace?.name ?? id}
      crumbs={[
        { label: 'Experiments', to: places.experiments() },
        ...(trace
          ? [
              {
                label: experiment.data?.name ?? `experiment ${trace.experiment}`,
                to: places.experiment(trace.experiment, { tab: 'traces' }),
              },
            ]
          : []),
      ]}
      state={trace ? <StatusChip status={STATUS_OF_STATE[trace.state]} /> : null}
    >
      {trace ? <Figures trace={trace} /> : null}
      <TabBar
        tabs={[
          { id: 'spans', label: 'Steps', count: trace?.spans.length },
          { id: 'assessments', label: 'Assessments', count: trace?.assessments.length },
          { id: 'about', label: 'About' },
        ]}
        current={tab}
      />
      <Load query={found} loading={<Loading rows={14} />}>
        {(view) => (
          <>
            {tab === 'spans' ? <Spans trace={view} /> : null}
            {tab === 'assessments' ? <Assessments trace={view} /> : null}
            {tab === 'about' ? <About trace={view} /> : null}
          </>
        )}
      </Load>
    </Page>
  );
}

function Figures({ trace }: { readonly trace: TraceWithSpans }) {
  const failed = trace.spans.filter(({ status }) => status === 'ERROR').length;
  const slowest = trace.spans
    .filter((span) => span.parent !== null)
    .sort((a, b) => (b.durationUs ?? 0) - (a.durationUs ?? 0))[0];
  return (
    <KeyFigures
      figures={[
        { label: 'Began', value: <Age at={trace.requestedAt} /> },
        { label: 'Took', value: trace.durationMs === null ? '–' : formatDurationShort(trace.durationMs) },
        {
          label: 'Steps',
          value: formatCount(trace.spans.length),
          note: failed > 0 ? `${formatCount(failed)} failed` : undefined,
        },
        { label: 'Tokens', value: trace.tokens === null ? '–' : formatCount(trace.tokens) },
        {
          label: 'Slowest step',
          value: slowest?.durationUs ? formatMicros(slowest.durationUs) : '–',
          note: slowest?.name,
        },
      ]}
    />
  );
}

function About({ trace }: { readonly trace: TraceWithSpans }) {
  const run = trace.metadata['mlflow.sourceRun'];
  const tags = Object.entries(trace.tags);
  const metadata = Object.entries(trace.metadata);
  return (
    <Columns
      facts={
        <Facts
          title="Trace"
          items={[
            ['Id', <Id key="id" value={trace.id} />],
            ...(trace.clientRequestId === null ? [] : ([["The client's id", trace.clientRequestId]] as const)),
            ['Began', <Age key="began" at={trace.requestedAt} />],
            ...(run === undefined
              ? []
              : ([
                  [
                    'Run',
                    <Go key="run" to={places.trackedRun(run)}>
                      {run.slice(0, 8)}
                    </Go>,
                  ],
                ] as const)),
          ]}
        />
      }
    >
      {tags.some(([key]) => isOwnTag(key)) ? (
        <Facts title="Tags" items={tags.filter(([key]) => isOwnTag(key))} />
      ) : (
        <p className="muted">Nobody has tagged this trace.</p>
      )}
      <Facts title="Tags of MLflow" items={tags.filter(([key]) => !isOwnTag(key))} />
      {metadata.length > 0 ? <Facts title="Metadata" items={metadata} /> : null}
    </Columns>
  );
}
