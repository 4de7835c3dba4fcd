import { useRouter } from '@tanstack/react-router';
import { useEffect, useMemo } from 'react';
import type { RunView } from '#pipelines/contract';
import { useNow } from '../data/use-now.ts';
import { type Url, useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Empty } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { causeOf, durationOf, durationText, paramsText } from './run-words.ts';

interface RunsTableProps {
  readonly runs: readonly RunView[];
  readonly name?: string;
  /** All runs are of one pipeline, which the page names already. */
  readonly isOfOne?: boolean;
  /** Two of them can be chosen to be compared; the address keeps which (`pick`). */
  readonly isPickable?: boolean;
  readonly empty?: string;
}

export function RunsTable({ runs, name = '', isOfOne = false, isPickable = false, empty }: RunsTableProps) {
  const url = useUrl();
  const picked = pickedOf(url);
  const pickText = picked.join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the address as a whole changes with every filter.
  const shown = useMemo(() => {
    const own = isOfOne ? columns.filter(({ id }) => id !== 'pipeline') : columns;
    return isPickable ? [...own.slice(0, 1), pickColumn(url, picked), ...own.slice(1)] : own;
  }, [isOfOne, isPickable, pickText, url]);
  return (
    <>
      {isPickable && picked.length > 0 ? <Picked runs={picked} url={url} /> : null}
      <DataTable
        label="runs"
        name={name}
        rows={runs}
        columns={shown}
        idOf={(row) => row.run}
        to={(row) => places.run(row.run)}
        empty={<Empty what={empty ?? 'No run yet.'} {...(empty ? {} : { command: 'kedge run <pipeline>' })} />}
      />
    </>
  );
}

function pickedOf(url: Url): readonly string[] {
  return (url.get('pick') ?? '').split(',').filter(Boolean).slice(0, 2);
}

function pickColumn(url: Url, picked: readonly string[]): Column<RunView> {
  function toggle(run: string): void {
    const next = picked.includes(run) ? picked.filter((each) => each !== run) : [...picked.slice(-1), run];
    url.set({ pick: next.join(',') });
  }
  return {
    id: 'pick',
    header: 'Pick',
    value: ({ run }) => (picked.includes(run) ? 1 : 0),
    cell: ({ run }) => (
      <input
        type="checkbox"
        className="run-pick"
        aria-label={`Pick ${run} to compare`}
        checked={picked.includes(run)}
        onChange={() => toggle(run)}
      />
    ),
  };
}

/** What is picked, and the way to the comparison: a link, and the key c. */
function Picked({ runs, url }: { readonly runs: readonly string[]; readonly url: Url }) {
  const router = useRouter();
  const [a, b] = runs;
  const to = a && b ? places.comparedPipelineRuns(a, b) : undefined;
  useEffect(() => {
    if (!to) return;
    function onKey(event: KeyboardEvent): void {
      const isTyping = event.target instanceof Element && event.target.closest('input[type=search], [role=dialog]');
      if (event.key !== 'c' || isTyping || event.metaKey || event.ctrlKey || event.altKey) return;
      router.history.push(to ?? '');
    }
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [to, router]);
  return (
    <div className="toolbar" role="status">
      {to ? (
        <Go className="button button-main" to={to}>
          Compare the two
        </Go>
      ) : (
        <span className="muted">One run is picked; pick another to compare them.</span>
      )}
      <button type="button" className="button button-quiet" onClick={() => url.set({ pick: undefined })}>
        Pick none
      </button>
    </div>
  );
}

const columns: readonly Column<RunView>[] = [
  { id: 'run', header: 'Run', value: (row) => row.run, cell: (row) => <code>{shortRun(row.run)}</code> },
  { id: 'pipeline', header: 'Pipeline', value: (row) => row.pipeline },
  { id: 'status', header: 'Status', value: (row) => row.status, cell: (row) => <StatusChip status={row.status} /> },
  {
    id: 'cause',
    header: 'Started by',
    value: (row) => causeOf(row).short,
    cell: (row) => <span title={causeOf(row).text}>{causeOf(row).short}</span>,
  },
  { id: 'params', header: 'Parameters', value: (row) => paramsText(row.params), isWide: true },
  { id: 'reason', header: 'Reason', value: (row) => row.reason, isHidden: true },
  { id: 'seed', header: 'Seed', value: (row) => row.seed, isNumeric: true, isHidden: true },
  { id: 'created', header: 'Started', value: (row) => row.createdAt, cell: (row) => <Age at={row.createdAt} /> },
  {
    id: 'duration',
    header: 'Duration',
    value: (row) => (row.startedAt === null ? null : (row.finishedAt ?? row.startedAt) - row.startedAt),
    cell: (row) => <Duration run={row} />,
    isNumeric: true,
  },
];

function Duration({ run }: { readonly run: RunView }) {
  return durationText(durationOf(run, useNow()));
}

const SHORT = 22;

function shortRun(run: string): string {
  return run.length > SHORT ? `${run.slice(0, SHORT)}…` : run;
}
