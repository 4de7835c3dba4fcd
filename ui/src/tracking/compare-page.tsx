import { useQueries } from '@tanstack/react-query';
import { type ReactNode, useMemo } from 'react';
import { formatDurationShort, formatNumber } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Failure, Loading } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { Choice, TabBar, useTab } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { Curves } from './curves.tsx';
import { durationOf, isOwnTag, numberOf, type TrackedRun } from './run.ts';
import { metricText } from './run-columns.tsx';

const RUNS_MAX = 20;

/** Runs side by side: where they differ, from the first one on, and their curves over one another. */
export function CompareRunsPage() {
  const url = useUrl();
  const tab = useTab(['differences', 'curves']);
  const ids = useMemo(() => (url.get('runs') ?? '').split(',').filter(Boolean).slice(0, RUNS_MAX), [url]);
  const results = useQueries({ queries: ids.map((run) => read('tracking', 'getTrackingRun', { params: { run } })) });
  const runs = results.flatMap(({ data }) => data ?? []);
  const failed = results.find(({ error }) => error);
  const [first] = runs;
  return (
    <Page
      title={`${ids.length} runs`}
      crumbs={[
        { label: 'Experiments', to: places.experiments() },
        ...(first ? [{ label: first.experiment.name, to: places.experiment(first.experiment.id) }] : []),
      ]}
    >
      <TabBar
        tabs={[
          { id: 'differences', label: 'Differences' },
          { id: 'curves', label: 'Curves' },
        ]}
        current={tab}
        drop={['from', 'to']}
      />
      {ids.length === 0 ? (
        <Empty what="Pick runs in the table of an experiment, with their boxes or with x, then press c." />
      ) : null}
      {failed?.error ? <Failure error={failed.error} retry={() => void failed.refetch()} /> : null}
      {!failed && runs.length < ids.length ? <Loading rows={12} /> : null}
      {!failed && runs.length === ids.length && ids.length > 0 ? (
        tab === 'curves' ? (
          <Curves runs={runs} />
        ) : (
          <Differences runs={runs} ids={ids} />
        )
      ) : null}
    </Page>
  );
}

interface DifferencesProps {
  readonly runs: readonly TrackedRun[];
  readonly ids: readonly string[];
}

function Differences({ runs, ids }: DifferencesProps) {
  const url = useUrl();
  const isAll = url.get('rows') === 'all';
  const now = runs.reduce((latest, { endedAt, startedAt }) => Math.max(latest, endedAt ?? startedAt), 0);
  const without = (id: string) => url.href({ runs: ids.filter((each) => each !== id).join(',') });
  return (
    <>
      <div className="toolbar">
        <Choice
          label="Rows"
          options={[
            ['different', 'What differs'],
            ['all', 'Everything'],
          ]}
          value={isAll ? 'all' : 'different'}
          onChange={(value) => url.set({ rows: value === 'all' ? 'all' : undefined })}
        />
        <span className="muted">differences of metrics are to the first run</span>
      </div>
      <div className="table-scroller">
        <table className="table compare" aria-label="Runs side by side">
          <thead>
            <tr>
              <th scope="col">Run</th>
              {runs.map((run) => (
                <th key={run.id} scope="col" className="num">
                  <Go to={places.trackedRun(run.id, run.experiment.id)}>{run.name}</Go>{' '}
                  {runs.length > 1 ? (
                    <Go to={without(run.id)} className="muted" aria-label={`Leave out ${run.name}`} title="Leave out">
                      ×
                    </Go>
                  ) : null}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <tr>
              <th scope="row">Status</th>
              {runs.map((run) => (
                <td key={run.id} className="num">
                  <StatusChip status={run.status} />
                </td>
              ))}
            </tr>
            <tr>
              <th scope="row">Started</th>
              {runs.map((run) => (
                <td key={run.id} className="num">
                  <Age at={run.startedAt} />
                </td>
              ))}
            </tr>
            <tr>
              <th scope="row">Duration</th>
              {runs.map((run) => (
                <td key={run.id} className="num">
                  {formatDurationShort(durationOf(run, now))}
                </td>
              ))}
            </tr>
          </tbody>
          <Metrics runs={runs} isAll={isAll} />
          <Texts title="Params" kind="params" runs={runs} isAll={isAll} />
          <Texts title="Tags" kind="tags" runs={runs} isAll={isAll} />
        </table>
      </div>
    </>
  );
}

interface RowsProps {
  readonly runs: readonly TrackedRun[];
  readonly isAll: boolean;
}

function Metrics({ runs, isAll }: RowsProps) {
  const keys = keysOf(runs, 'metrics').filter((key) => isAll || differs(runs.map((run) => metricText(run, key))));
  const [first] = runs;
  return (
    <Group title="Metrics" count={keys.length} columns={runs.length}>
      {keys.map((key) => (
        <tr key={key}>
          <th scope="row" title={key}>
            {key}
          </th>
          {runs.map((run) => (
            <td key={run.id} className="num">
              {metricText(run, key)}
              {run === first || !first ? null : <Delta from={numberIn(first, key)} to={numberIn(run, key)} />}
            </td>
          ))}
        </tr>
      ))}
    </Group>
  );
}

function Delta({ from, to }: { readonly from: number; readonly to: number }) {
  const difference = to - from;
  if (!Number.isFinite(difference) || difference === 0) return null;
  return (
    <small className="compare-delta">
      {difference > 0 ? '+' : '−'}
      {formatNumber(Math.abs(difference), 3)}
    </small>
  );
}

function Texts({ title, kind, runs, isAll }: RowsProps & { readonly title: string; readonly kind: 'params' | 'tags' }) {
  const keys = keysOf(runs, kind)
    .filter((key) => kind === 'params' || isOwnTag(key))
    .filter((key) => isAll || differs(runs.map((run) => textOf(run, kind, key))));
  return (
    <Group title={title} count={keys.length} columns={runs.length}>
      {keys.map((key) => {
        const values = runs.map((run) => textOf(run, kind, key));
        return (
          <tr key={key} data-differs={differs(values) || undefined}>
            <th scope="row" title={key}>
              {key}
            </th>
            {runs.map((run, index) => (
              <td
                key={run.id}
                className="num"
                title={values[index]}
                data-changed={values[index] !== values[0] || undefined}
              >
                {values[index] ?? <span className="muted">–</span>}
              </td>
            ))}
          </tr>
        );
      })}
    </Group>
  );
}

interface GroupProps {
  readonly title: string;
  readonly count: number;
  readonly columns: number;
  readonly children: ReactNode;
}

function Group({ title, count, columns, children }: GroupProps) {
  return (
    <tbody>
      <tr className="compare-group">
        <th scope="rowgroup" colSpan={columns + 1}>
          {title} <span className="muted">{count === 0 ? 'no differences' : count}</span>
        </th>
      </tr>
      {children}
    </tbody>
  );
}

function keysOf(runs: readonly TrackedRun[], kind: 'metrics' | 'params' | 'tags'): readonly string[] {
  const keys = new Set(runs.flatMap((run) => Object.keys(run[kind])));
  return [...keys].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

function differs(values: readonly (string | undefined)[]): boolean {
  return values.length < 2 || new Set(values).size > 1;
}

function textOf(run: TrackedRun, kind: 'params' | 'tags', key: string): string | undefined {
  return Object.hasOwn(run[kind], key) ? run[kind][key] : undefined;
}

function numberIn(run: TrackedRun, key: string): number {
  return Object.hasOwn(run.metrics, key) ? numberOf(run.metrics[key]?.value ?? '') : Number.NaN;
}
