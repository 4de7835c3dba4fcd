import { useRouter } from '@tanstack/react-router';
import { type RefObject, useCallback, useEffect, useMemo } from 'react';
import type { Column } from '../kit/table/column.ts';
import { TableBody } from '../kit/table/table-body.tsx';
import { TableHead } from '../kit/table/table-head.tsx';
import { useRowKeys } from '../kit/table/use-row-keys.ts';
import { places } from '../places.ts';
import type { TrackedRun } from './run.ts';

interface RunsGridProps {
  readonly rows: readonly TrackedRun[];
  readonly columns: readonly Column<TrackedRun>[];
  readonly order: string;
  readonly onOrder: (order: string | undefined) => void;
  /** Where `/` goes. */
  readonly search: RefObject<HTMLInputElement | null>;
  readonly picked: readonly string[];
  readonly onPick: (ids: readonly string[]) => void;
  readonly onNearEnd: () => void;
}

/** Runs in the order of the server, only those in view in the page. `x` picks the marked one, `c` compares. */
export function RunsGrid(props: RunsGridProps) {
  const { rows, columns, order, onOrder, search, picked, onPick, onNearEnd } = props;
  const router = useRouter();
  const open = useCallback(
    (index: number) => {
      const run = rows[index];
      if (run) router.history.push(places.trackedRun(run.id, run.experiment.id));
    },
    [rows, router],
  );
  const marked = useRowKeys({ count: rows.length, onOpen: open, search, isListening: true });
  const toggle = useCallback(
    (id: string) => onPick(picked.includes(id) ? picked.filter((each) => each !== id) : [...picked, id]),
    [picked, onPick],
  );
  useEffect(() => {
    function onKey(event: KeyboardEvent): void {
      const isTyping = event.target instanceof Element && event.target.closest('input, textarea, [role=dialog]');
      if (isTyping || event.metaKey || event.ctrlKey || event.altKey) return;
      const run = rows[marked];
      if (event.key === 'x' && run) toggle(run.id);
      else if (event.key === 'c' && picked.length > 0) router.history.push(places.comparedRuns(picked));
      else return;
      event.preventDefault();
    }
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [rows, marked, picked, toggle, router]);

  const pick: Column<TrackedRun> = useMemo(
    () => ({
      id: 'picked',
      header: '',
      value: () => null,
      cell: (run) => (
        <input
          type="checkbox"
          aria-label={`Pick ${run.name}`}
          checked={picked.includes(run.id)}
          onChange={() => toggle(run.id)}
        />
      ),
    }),
    [picked, toggle],
  );
  return (
    <TableBody
      label="runs"
      head={<TableHead columns={[pick, ...columns]} order={order} onOrder={onOrder} />}
      rows={rows}
      columns={[pick, ...columns]}
      idOf={(run) => run.id}
      to={undefined}
      marked={marked}
      onNearEnd={onNearEnd}
    />
  );
}
