import { useRouter } from '@tanstack/react-router';
import {
  type ColumnDef,
  columnVisibilityFeature,
  createSortedRowModel,
  type RowData,
  rowSortingFeature,
  tableFeatures,
  useTable,
} from '@tanstack/react-table';
import { type ReactNode, useCallback, useDeferredValue, useMemo, useRef } from 'react';
import { useUrl } from '../../data/use-url.ts';
import { useHeld } from '../held.ts';
import { type Column, compareValues, filterRows } from './column.ts';
import { TableBody } from './table-body.tsx';
import { TableHead } from './table-head.tsx';
import { TableTools } from './table-tools.tsx';
import { useRowKeys } from './use-row-keys.ts';

const features = tableFeatures({ rowSortingFeature, columnVisibilityFeature, sortedRowModel: createSortedRowModel() });

/** So few rows are read at a glance: they need no filter. */
const FEW = 8;

interface DataTableProps<Row extends RowData> {
  /** Says what the rows are, to people who cannot see the table and in the filter's hint. */
  readonly label: string;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  readonly idOf: (row: Row) => string;
  /** Where a row leads. */
  readonly to?: (row: Row) => string;
  /** Order at first, as in `-started`; as given unless told. */
  readonly order?: string;
  /** Keeps the address parts of two tables on one page apart. A named table leaves the keys to the unnamed one. */
  readonly name?: string;
  /** Without filter and column choice, for a handful of rows. */
  readonly isPlain?: boolean;
  readonly empty?: ReactNode;
}

/** Rows that can be ordered, filtered and walked through. Filter, order and columns are part of the address. */
export function DataTable<Row extends RowData>(props: DataTableProps<Row>) {
  const { label, rows, columns, idOf, to, order = '', name = '', isPlain = false, empty } = props;
  const url = useUrl();
  const router = useRouter();
  const search = useRef<HTMLInputElement>(null);
  const keys = { filter: `${name}q`, order: `${name}sort`, columns: `${name}cols` };
  const text = useDeferredValue(isPlain ? '' : (url.get(keys.filter) ?? ''));
  const orderText = url.get(keys.order) ?? order;
  const shownText = url.get(keys.columns);

  const filtered = useMemo(() => filterRows(rows, columns, text), [rows, columns, text]);
  const table = useTable({
    features,
    data: filtered,
    columns: useMemo(() => columns.map((column) => definitionOf<Row>(column)), [columns]),
    getRowId: idOf,
    state: {
      sorting: useMemo(() => sortingOf(orderText), [orderText]),
      columnVisibility: useMemo(() => visibilityOf(columns, shownText), [columns, shownText]),
    },
  });
  const sorted = table.getRowModel().rows.map((row) => row.original);
  const held = useHeld(sorted, idOf, `${text}|${orderText}|${label}`);
  const shownColumns = columns.filter((column) => table.getColumn(column.id)?.getIsVisible() ?? true);

  const open = useCallback(
    (index: number) => {
      const row = held.items[index];
      if (row !== undefined && to) router.history.push(to(row));
    },
    [held.items, to, router],
  );
  const isListening = name === '' && !isPlain;
  const marked = useRowKeys({ count: held.items.length, onOpen: open, search, isListening });

  const isFew = rows.length < FEW && text === '' && !shownText && columns.every(({ isHidden }) => !isHidden);
  const hasTools = !isPlain && !isFew;
  if (rows.length === 0 && empty) return empty;
  return (
    <div {...held.handlers}>
      {hasTools ? (
        <TableTools
          label={label}
          search={search}
          text={url.get(keys.filter) ?? ''}
          onText={(value) => url.set({ [keys.filter]: value })}
          columns={columns}
          shown={shownColumns.map((column) => column.id)}
          onShown={(ids) => url.set({ [keys.columns]: ids.join(',') })}
          count={{ all: rows.length, shown: held.items.length, waiting: held.waiting }}
          onRelease={held.release}
        />
      ) : null}
      <TableBody
        label={label}
        head={
          <TableHead columns={shownColumns} order={orderText} onOrder={(value) => url.set({ [keys.order]: value })} />
        }
        rows={held.items}
        columns={shownColumns}
        idOf={idOf}
        to={to}
        marked={marked}
      />
    </div>
  );
}

function definitionOf<Row extends RowData>(column: Column<Row>): ColumnDef<typeof features, Row> {
  return {
    id: column.id,
    // The table keeps undefined values last in both orders; null it would turn around with the rest.
    accessorFn: (row) => column.value(row) ?? undefined,
    sortFn: (a, b) => compareValues(column.value(a.original), column.value(b.original)),
    sortUndefined: 'last',
  };
}

function sortingOf(order: string): { id: string; desc: boolean }[] {
  if (!order) return [];
  return [order.startsWith('-') ? { id: order.slice(1), desc: true } : { id: order, desc: false }];
}

function visibilityOf<Row>(columns: readonly Column<Row>[], shown: string | undefined): Record<string, boolean> {
  const chosen = shown?.split(',');
  return Object.fromEntries(
    columns.map((column) => [column.id, chosen ? chosen.includes(column.id) : column.isHidden !== true]),
  );
}
