import { Popover } from '@mantine/core';
import { Columns3 } from 'lucide-react';
import type { RefObject } from 'react';
import { formatCount } from '../../data/format.ts';
import type { Column } from './column.ts';

interface TableToolsProps<Row> {
  readonly label: string;
  readonly search: RefObject<HTMLInputElement | null>;
  readonly text: string;
  readonly onText: (text: string) => void;
  readonly columns: readonly Column<Row>[];
  readonly shown: readonly string[];
  readonly onShown: (ids: readonly string[]) => void;
  readonly count: { readonly all: number; readonly shown: number; readonly waiting: number };
  readonly onRelease: () => void;
}

export function TableTools<Row>(props: TableToolsProps<Row>) {
  const { label, search, text, onText, columns, shown, onShown, count, onRelease } = props;
  return (
    <div className="toolbar">
      <input
        ref={search}
        className="input table-filter"
        type="search"
        aria-label={`Filter ${label}`}
        placeholder={`Filter ${label}, as in ${columns[0]?.id ?? 'name'}:word`}
        title="Words that a row must contain; / comes here, j and k walk through the rows, Enter opens"
        value={text}
        onChange={(event) => onText(event.currentTarget.value)}
      />
      <span className="muted" aria-live="polite">
        {count.shown === count.all
          ? formatCount(count.all)
          : `${formatCount(count.shown)} of ${formatCount(count.all)}`}
      </span>
      {count.waiting > 0 ? (
        <button type="button" className="waiting" onClick={onRelease}>
          {count.waiting} new
        </button>
      ) : null}
      <Popover position="bottom-end" transitionProps={{ duration: 0 }} trapFocus withinPortal>
        <Popover.Target>
          <button type="button" className="button button-quiet table-columns">
            <Columns3 size={13} aria-hidden />
            Columns
          </button>
        </Popover.Target>
        <Popover.Dropdown className="table-choice">
          {columns.map(({ id, header }) => (
            <label key={id}>
              <input
                type="checkbox"
                checked={shown.includes(id)}
                disabled={shown.length === 1 && shown.includes(id)}
                onChange={(event) => onShown(toggled(columns, shown, { id, isOn: event.currentTarget.checked }))}
              />
              {header}
            </label>
          ))}
        </Popover.Dropdown>
      </Popover>
    </div>
  );
}

/** The shown columns in their own order, with one more or one fewer. */
function toggled<Row>(
  columns: readonly Column<Row>[],
  shown: readonly string[],
  { id, isOn }: { readonly id: string; readonly isOn: boolean },
): string[] {
  return columns.map((column) => column.id).filter((each) => (each === id ? isOn : shown.includes(each)));
}
