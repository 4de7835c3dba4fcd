import { Popover } from '@mantine/core';
import { type ReactNode, useState } from 'react';

export interface Choices {
  /** Shown above them; without one they stand by themselves. */
  readonly label?: string;
  readonly options: readonly { readonly id: string; readonly header: string }[];
}

interface PickerProps {
  /** What the button shows. */
  readonly children: ReactNode;
  readonly isQuiet?: boolean;
  /** What is picked, as in `metric`: the name of the field that finds one. */
  readonly of: string;
  readonly hint: string;
  readonly choices: readonly Choices[];
  /** The ids of what is shown, in their order. */
  readonly shown: readonly string[];
  /** Whether the last one stays. */
  readonly keepsOne?: boolean;
  readonly onShown: (ids: readonly string[]) => void;
}

/** Of each group so many are listed; the others are found by some letters. */
const LISTED_MAX = 60;

/** Which of many things are shown: found by a few letters, as there may be hundreds. */
export function Picker({ children, isQuiet, of, hint, choices, ...picked }: PickerProps) {
  const [text, setText] = useState('');
  const wanted = text.toLowerCase();
  return (
    <Popover
      position={isQuiet ? 'bottom-end' : 'bottom-start'}
      transitionProps={{ duration: 0 }}
      trapFocus
      withinPortal
    >
      <Popover.Target>
        <button type="button" className={isQuiet ? 'button button-quiet' : 'button'}>
          {children}
        </button>
      </Popover.Target>
      <Popover.Dropdown className="table-choice picker">
        <input
          className="input"
          type="search"
          aria-label={`Find a ${of}`}
          placeholder={hint}
          data-autofocus
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {choices.map(({ label, options }) => {
          const found = options.filter(({ id }) => id.toLowerCase().includes(wanted));
          if (found.length === 0) return null;
          const list = <Options key={label ?? ''} options={found} {...picked} />;
          return label === undefined ? (
            list
          ) : (
            <fieldset key={label} className="picker-group">
              <legend>{label}</legend>
              {list}
            </fieldset>
          );
        })}
      </Popover.Dropdown>
    </Popover>
  );
}

function Options({
  options,
  shown,
  keepsOne = false,
  onShown,
}: Pick<PickerProps, 'shown' | 'keepsOne' | 'onShown'> & Pick<Choices, 'options'>) {
  return (
    <>
      {options.slice(0, LISTED_MAX).map(({ id, header }) => (
        <label key={id}>
          <input
            type="checkbox"
            checked={shown.includes(id)}
            disabled={keepsOne && shown.length === 1 && shown.includes(id)}
            onChange={(event) =>
              onShown(event.currentTarget.checked ? [...shown, id] : shown.filter((each) => each !== id))
            }
          />
          {header}
        </label>
      ))}
      {options.length > LISTED_MAX ? (
        <span className="muted">and {options.length - LISTED_MAX} more: type some letters</span>
      ) : null}
    </>
  );
}
