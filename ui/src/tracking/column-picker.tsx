import { Popover } from '@mantine/core';
import { Columns3 } from 'lucide-react';
import { useState } from 'react';
import type { ColumnGroup } from './run-columns.tsx';

interface ColumnPickerProps {
  readonly groups: readonly ColumnGroup[];
  /** The ids of the columns that are shown, in their order. */
  readonly shown: readonly string[];
  readonly onShown: (ids: readonly string[]) => void;
}

const LISTED_MAX = 60;

/** Which metrics, params and tags are columns: found by a few letters, as there may be hundreds. */
export function ColumnPicker({ groups, shown, onShown }: ColumnPickerProps) {
  const [text, setText] = useState('');
  const wanted = text.toLowerCase();
  return (
    <Popover position="bottom-end" transitionProps={{ duration: 0 }} trapFocus withinPortal>
      <Popover.Target>
        <button type="button" className="button button-quiet">
          <Columns3 size={13} aria-hidden />
          Columns
        </button>
      </Popover.Target>
      <Popover.Dropdown className="table-choice picker">
        <input
          className="input"
          type="search"
          aria-label="Find a column"
          placeholder="Find a metric, param or tag"
          data-autofocus
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {groups.map(({ label, columns }) => {
          const found = columns.filter(({ id }) => id.toLowerCase().includes(wanted));
          return found.length === 0 ? null : (
            <fieldset key={label} className="picker-group">
              <legend>{label}</legend>
              {found.slice(0, LISTED_MAX).map(({ id, header }) => (
                <label key={id}>
                  <input
                    type="checkbox"
                    checked={shown.includes(id)}
                    disabled={shown.length === 1 && shown.includes(id)}
                    onChange={(event) =>
                      onShown(event.currentTarget.checked ? [...shown, id] : shown.filter((each) => each !== id))
                    }
                  />
                  {header}
                </label>
              ))}
              {found.length > LISTED_MAX ? (
                <span className="muted">and {found.length - LISTED_MAX} more: type some letters</span>
              ) : null}
            </fieldset>
          );
        })}
      </Popover.Dropdown>
    </Popover>
  );
}
