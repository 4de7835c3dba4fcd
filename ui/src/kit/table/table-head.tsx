import { ArrowDown, ArrowUp } from 'lucide-react';
import type { Column } from './column.ts';

interface TableHeadProps<Row> {
  readonly columns: readonly Column<Row>[];
  readonly order: string;
  readonly onOrder: (order: string | undefined) => void;
}

export function TableHead<Row>({ columns, order, onOrder }: TableHeadProps<Row>) {
  const isDown = order.startsWith('-');
  const sorted = isDown ? order.slice(1) : order;
  /** Numbers are looked at from the largest, texts from A; the third press takes the order away. */
  function next(column: Column<Row>): string | undefined {
    const first = column.isNumeric ? `-${column.id}` : column.id;
    const second = column.isNumeric ? column.id : `-${column.id}`;
    if (order === first) return second;
    return order === second ? undefined : first;
  }
  return (
    <thead>
      <tr>
        {columns.map((column) => {
          const isSorted = sorted === column.id;
          const Arrow = isDown ? ArrowDown : ArrowUp;
          return (
            <th
              key={column.id}
              scope="col"
              className={column.isNumeric ? 'num' : undefined}
              aria-sort={isSorted ? (isDown ? 'descending' : 'ascending') : undefined}
            >
              <button type="button" onClick={() => onOrder(next(column))}>
                {column.header}
                {isSorted ? <Arrow size={11} aria-hidden /> : null}
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}
