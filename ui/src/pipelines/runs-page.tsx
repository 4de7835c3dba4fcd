import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { RunView } from '#pipelines/contract';
import { read } from '../data/read.ts';
import { useNow } from '../data/use-now.ts';
import { type Url, useUrl } from '../data/use-url.ts';
import { Go } from '../kit/link.tsx';
import { Page } from '../kit/page.tsx';
import { Load, Partial } from '../kit/states.tsx';
import { Choice } from '../kit/tabs.tsx';
import { places } from '../places.ts';
import { RunsTable } from './runs-table.tsx';

const RUNS_LISTED_MAX = 500;
const statuses = ['running', 'failed', 'succeeded', 'queued', 'cancelled', 'cancelling'] as const;
const causes: Readonly<Record<RunView['cause']['kind'], string>> = {
  user: 'a person',
  schedule: 'a schedule',
  event: 'an event',
  rule: 'a rule',
};
const HOUR_MS = 3_600_000;
const spans: Readonly<Record<string, readonly [label: string, ms: number]>> = {
  '1h': ['the last hour', HOUR_MS],
  '24h': ['the last 24 hours', 24 * HOUR_MS],
  '7d': ['the last 7 days', 168 * HOUR_MS],
  '30d': ['the last 30 days', 720 * HOUR_MS],
};
/** A span that ends now is moved on so often, so that its query stays the same in between. */
const STEP_MS = 60_000;

/** All runs. The address has the filters: `status`, `pipeline`, `cause`, `since`, `from` and `to`, and the text `q`. */
export function RunsPage() {
  const url = useUrl();
  const filter = useFilter(url);
  const runs = useQuery(read('pipelines', 'listPipelineRuns', { query: { limit: RUNS_LISTED_MAX, ...filter } }));
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  return (
    <Page title="Runs" crumbs={[{ label: 'Pipelines', to: places.pipelines() }]}>
      <Filters url={url} status={filter.status ?? ''} />
      <Load query={runs}>
        {({ items, next }) => (
          <>
            {next || filter.after ? (
              <Partial>
                {`${filter.after ? 'Older runs are' : `The newest ${RUNS_LISTED_MAX} are`} listed. `}
                {next ? <Go to={url.href({ after: next, pick: undefined })}>Older ones</Go> : null}
                {next && filter.after ? ' · ' : null}
                {filter.after ? <Go to={url.href({ after: undefined, pick: undefined })}>The newest</Go> : null}
              </Partial>
            ) : null}
            <RunsTable runs={items} isPickable {...(isFiltered ? { empty: 'No run is like that.' } : {})} />
          </>
        )}
      </Load>
    </Page>
  );
}

function useFilter(url: Url) {
  const now = useNow();
  const [, span] = spans[url.get('since') ?? ''] ?? [];
  const minute = Math.floor(now / STEP_MS) * STEP_MS;
  return useMemo(() => {
    const day = (name: string, days: number): number | undefined => {
      const at = Date.parse(`${url.get(name)}T00:00:00Z`);
      return Number.isNaN(at) ? undefined : at + days * 24 * HOUR_MS;
    };
    const cause = url.get('cause');
    return {
      status: statuses.find((each) => each === url.get('status')),
      pipeline: url.get('pipeline'),
      cause: cause !== undefined && Object.hasOwn(causes, cause) ? (cause as RunView['cause']['kind']) : undefined,
      from: span === undefined ? day('from', 0) : minute - span,
      to: span === undefined ? day('to', 1) : undefined,
      after: url.get('after'),
    };
  }, [url, span, minute]);
}

function Filters({ url, status }: { readonly url: Url; readonly status: string }) {
  const pipelines = useQuery(read('resources', 'listResources', { query: { kind: 'pipeline' } }));
  const names = pipelines.data?.items.map(({ name }) => name) ?? [];
  const pipeline = url.get('pipeline');
  const known = pipeline !== undefined && !names.includes(pipeline) ? [pipeline, ...names] : names;
  const set = (changes: Readonly<Record<string, string | undefined>>) =>
    url.set({ after: undefined, pick: undefined, ...changes });
  const isBetween = url.get('since') === 'between';
  return (
    <div className="toolbar">
      <Choice
        label="Status"
        options={[['', 'All'], ...statuses.map((each) => [each, each] as const)]}
        value={status}
        onChange={(value) => set({ status: value })}
      />
      <Pick
        label="Pipeline"
        all="of any pipeline"
        options={known.map((name) => [name, `of ${name}`])}
        value={pipeline}
        onChange={(value) => set({ pipeline: value })}
      />
      <Pick
        label="Started by"
        all="started by anything"
        options={Object.entries(causes).map(([kind, words]) => [kind, `started by ${words}`])}
        value={url.get('cause')}
        onChange={(value) => set({ cause: value })}
      />
      <Pick
        label="Time"
        all="at any time"
        options={[
          ...Object.entries(spans).map(([key, [words]]) => [key, `in ${words}`] as const),
          ['between', 'between two days'],
        ]}
        value={url.get('since')}
        onChange={(value) => set({ since: value, from: undefined, to: undefined })}
      />
      {isBetween
        ? (['from', 'to'] as const).map((name) => (
            <input
              key={name}
              type="date"
              className="input"
              aria-label={name === 'from' ? 'First day, UTC' : 'Last day, UTC'}
              value={url.get(name) ?? ''}
              onChange={(event) => set({ [name]: event.currentTarget.value })}
            />
          ))
        : null}
    </div>
  );
}

interface PickProps {
  readonly label: string;
  /** The choice of no filter. */
  readonly all: string;
  readonly options: readonly (readonly [value: string, label: string])[];
  readonly value: string | undefined;
  readonly onChange: (value: string) => void;
}

function Pick({ label, all, options, value, onChange }: PickProps) {
  return (
    <select
      className="input"
      aria-label={label}
      value={value ?? ''}
      onChange={(event) => onChange(event.currentTarget.value)}
    >
      <option value="">{all}</option>
      {options.map(([option, text]) => (
        <option key={option} value={option}>
          {text}
        </option>
      ))}
    </select>
  );
}
