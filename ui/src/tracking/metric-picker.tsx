import { Popover } from '@mantine/core';
import { ChartSpline } from 'lucide-react';
import { useState } from 'react';

interface MetricPickerProps {
  readonly keys: readonly string[];
  readonly shown: readonly string[];
  readonly onShown: (keys: readonly string[]) => void;
}

const LISTED_MAX = 100;

/** Which metrics have a chart. */
export function MetricPicker({ keys, shown, onShown }: MetricPickerProps) {
  const [text, setText] = useState('');
  const found = keys.filter((key) => key.toLowerCase().includes(text.toLowerCase()));
  return (
    <Popover position="bottom-start" transitionProps={{ duration: 0 }} trapFocus withinPortal>
      <Popover.Target>
        <button type="button" className="button">
          <ChartSpline size={13} aria-hidden />
          {shown.length} of {keys.length} metrics
        </button>
      </Popover.Target>
      <Popover.Dropdown className="table-choice picker">
        <input
          className="input"
          type="search"
          aria-label="Find a metric"
          placeholder="Find a metric"
          data-autofocus
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {found.slice(0, LISTED_MAX).map((key) => (
          <label key={key}>
            <input
              type="checkbox"
              checked={shown.includes(key)}
              onChange={(event) =>
                onShown(event.currentTarget.checked ? [...shown, key] : shown.filter((each) => each !== key))
              }
            />
            {key}
          </label>
        ))}
        {found.length > LISTED_MAX ? (
          <span className="muted">and {found.length - LISTED_MAX} more: type some letters</span>
        ) : null}
      </Popover.Dropdown>
    </Popover>
  );
}
