import { useQueries, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { PartitionView } from '#pipelines/backfills/contract';
import type { RunView } from '#pipelines/contract';
import { exactTime } from '../../data/format.ts';
import { read } from '../../data/read.ts';
import { useUrl } from '../../data/use-url.ts';
import { Go } from '../../kit/link.tsx';
import { Load, Loading, Partial } from '../../kit/states.tsx';
import { lookOf } from '../../kit/status.tsx';
import { places } from '../../places.ts';

/** Partitions on one page: the run of each is asked for. */
const ROWS = 40;
const RUNS_MAX = 1_000;
/** Runs of one partition that are shown, the newest first. */
const RUNS_SHOWN = 12;

interface PartitionGridProps {
  readonly pipeline: string;
  readonly items: readonly PartitionView[];
}

/** The partitions of one page, newest first, and the way to the others (`page`). */
function usePage(items: readonly PartitionView[]) {
  const url = useUrl();
  const pages = Math.max(1, Math.ceil(items.length / ROWS));
  const page = Math.min(Math.max(0, (url.number('page') ?? 1) - 1), pages - 1);
  const shown = items.toReversed().slice(page * ROWS, (page + 1) * ROWS);
  const nav =
    pages > 1 ? (
      <div className="toolbar">
        {page > 0 ? (
          <Go className="button" to={url.href({ page: page === 1 ? undefined : page })}>
            Newer
          </Go>
        ) : null}
        {page + 1 < pages ? (
          <Go className="button" to={url.href({ page: page + 2 })}>
            Older
          </Go>
        ) : null}
        <span className="muted">{`page ${page + 1} of ${pages}, newest first`}</span>
      </div>
    ) : null;
  return { shown, nav };
}

/** Partition by step: how each step of the newest run of each partition stands. */
export function PartitionSteps({ pipeline, items }: PartitionGridProps) {
  const { shown, nav } = usePage(items);
  const ran = shown.flatMap(({ run }) => run ?? []);
  const details = useQueries({ queries: ran.map((run) => read('pipelines', 'getPipelineRun', { params: { run } })) });
  const byRun = new Map(details.flatMap(({ data }) => (data ? [[data.run, data] as const] : [])));
  const steps = [...new Set([...byRun.values()].flatMap((run) => run.steps.map(({ step }) => step)))];
  const error = details.find((each) => each.error)?.error;
  if (byRun.size === 0 && details.some(({ isPending }) => isPending)) return <Loading rows={8} />;
  return (
    <>
      {error ? <Partial>Not all runs are shown: {error.message}</Partial> : null}
      <Grid label={`partitions of ${pipeline} by step`} columns={steps}>
        {shown.map((partition) => {
          const run = partition.run === null ? undefined : byRun.get(partition.run);
          return (
            <Row key={partition.partition} partition={partition}>
              {steps.map((name) => {
                const step = run?.steps.find((each) => each.step === name);
                const to = run && step ? places.run(run.run, { step: name }) : undefined;
                return <Cell key={name} what={`${partition.partition}, ${name}`} status={step?.status} to={to} />;
              })}
            </Row>
          );
        })}
      </Grid>
      {nav}
    </>
  );
}

/** Partition by run: every run of each partition, the newest first. */
export function PartitionRuns({ pipeline, items }: PartitionGridProps) {
  const { shown, nav } = usePage(items);
  const runs = useQuery(read('pipelines', 'listPipelineRuns', { query: { pipeline, limit: RUNS_MAX } }));
  return (
    <Load query={runs}>
      {({ items: found, next }) => {
        const byPartition = Map.groupBy(found, ({ partition }) => partition);
        const most = shown.reduce((all, { partition }) => Math.max(all, byPartition.get(partition)?.length ?? 0), 1);
        const columns = Array.from({ length: Math.min(RUNS_SHOWN, most) }, (_, at) =>
          at === 0 ? 'newest' : `${at + 1}.`,
        );
        return (
          <>
            {next ? <Partial>The newest {RUNS_MAX} runs of the pipeline are shown.</Partial> : null}
            <Grid label={`partitions of ${pipeline} by run`} columns={columns}>
              {shown.map((partition) => {
                const own = byPartition.get(partition.partition) ?? [];
                return (
                  <Row key={partition.partition} partition={partition}>
                    {columns.map((column, at) => (
                      <RunCell key={column} partition={partition.partition} run={own[at]} />
                    ))}
                  </Row>
                );
              })}
            </Grid>
            {nav}
          </>
        );
      }}
    </Load>
  );
}

function RunCell({ partition, run }: { readonly partition: string; readonly run: RunView | undefined }) {
  const what = run ? `${partition}, run of ${exactTime(run.createdAt)}` : partition;
  return <Cell what={what} status={run?.status} to={run && places.run(run.run)} />;
}

interface GridProps {
  readonly label: string;
  readonly columns: readonly string[];
  readonly children: ReactNode;
}

function Grid({ label, columns, children }: GridProps) {
  return (
    <div className="table-scroller">
      <table className="partition-grid" aria-label={label}>
        <thead>
          <tr>
            <th scope="col">Partition</th>
            {columns.map((column) => (
              <th key={column} scope="col" title={column}>
                <span>{column}</span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function Row({ partition, children }: { readonly partition: PartitionView; readonly children: ReactNode }) {
  const { icon: Icon, tone } = lookOf(partition.status);
  return (
    <tr>
      <th scope="row" data-tone={tone}>
        <Icon size={12} aria-hidden />
        {partition.partition}
        <span className="visually-hidden">{partition.status}</span>
      </th>
      {children}
    </tr>
  );
}

interface CellProps {
  readonly what: string;
  readonly status: string | undefined;
  readonly to: string | undefined;
}

function Cell({ what, status, to }: CellProps) {
  if (status === undefined || to === undefined) {
    return (
      <td>
        <span className="matrix-cell" data-empty title={`${what}: nothing ran`} />
      </td>
    );
  }
  const { icon: Icon, tone, word } = lookOf(status);
  const label = `${what}: ${word ?? status}`;
  return (
    <td>
      <Go className="matrix-cell" data-tone={tone} to={to} title={label} aria-label={label}>
        <Icon size={11} aria-hidden />
      </Go>
    </td>
  );
}
