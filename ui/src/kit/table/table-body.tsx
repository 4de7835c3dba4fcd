import { type ReactNode, useEffect, useRef } from 'react';
import { formatNumber } from '../../data/format.ts';
import { Go } from '../link.tsx';
import type { CellValue, Column } from './column.ts';
import { useVisibleRows } from './use-visible-rows.ts';

const ROW_HEIGHT = 31;
/** Up to so many rows are all in the page, so that the browser's own search finds them. */
const ALL_UP_TO = 150;
const LONG_TEXT = 30;
/** So many rows before the last one the end is near. */
const NEAR_END = 80;

interface TableBodyProps<Row> {
  readonly label: string;
  readonly head: ReactNode;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly idOf: (row: Row) => string;
  readonly to: ((row: Row) => string) | undefined;
  readonly marked: number;
  /** Called while the last rows are in view or nearly so, as when more of them can be had. */
  readonly onNearEnd?: (() => void) | undefined;
}

export function TableBody<Row>(props: TableBodyProps<Row>) {
  const { label, head, rows, columns, idOf, to, marked, onNearEnd } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const { start, end } = useVisibleRows(scroller, { count: rows.length, rowHeight: ROW_HEIGHT, allUpTo: ALL_UP_TO });
  useEffect(() => {
    scroller.current?.querySelector('[data-marked]')?.scrollIntoView({ block: 'nearest' });
  });
  const isNearEnd = end >= rows.length - NEAR_END;
  useEffect(() => {
    if (isNearEnd && rows.length > 0) onNearEnd?.();
  }, [isNearEnd, rows.length, onNearEnd]);
  return (
    <div className="table-scroller" ref={scroller} data-long={rows.length > ALL_UP_TO || undefined}>
      <table className="table" aria-label={label} aria-rowcount={rows.length}>
        {head}
        <tbody>
          {start > 0 ? <Gap rows={start} columns={columns.length} /> : null}
          {rows.slice(start, end).map((row, index) => (
            <tr key={idOf(row)} data-marked={start + index === marked || undefined}>
              {columns.map((column, place) => (
                <td key={column.id} className={classOf(column)} title={titleOf(column, row)}>
                  {place === 0 && to ? <Go to={to(row)}>{shown(column, row)}</Go> : shown(column, row)}
                </td>
              ))}
            </tr>
          ))}
          {end < rows.length ? <Gap rows={rows.length - end} columns={columns.length} /> : null}
        </tbody>
      </table>
      {rows.length === 0 ? <p className="table-none">Nothing matches.</p> : null}
    </div>
  );
}

function Gap({ rows, columns }: { readonly rows: number; readonly columns: number }) {
  return (
    <tr aria-hidden className="table-gap">
      <td colSpan={columns} style={{ height: rows * ROW_HEIGHT }} />
    </tr>
  );
}

/** A long text may be cut by its column and is told in full under the pointer. */
function titleOf<Row>(column: Column<Row>, row: Row): string | undefined {
  const value = column.value(row);
  return typeof value === 'string' && value.length > LONG_TEXT ? value : undefined;
}

function classOf<Row>(column: Column<Row>): string | undefined {
  if (column.isNumeric) return 'num';
  return column.isWide ? 'wide' : undefined;
}

function shown<Row>(column: Column<Row>, row: Row): ReactNode {
  return column.cell ? column.cell(row) : textOf(column.value(row));
}

function textOf(value: CellValue): string {
  return typeof value === 'number' ? formatNumber(value) : (value ?? '–');
}
