import { Popover } from '@mantine/core';
import { Bookmark, Trash2 } from 'lucide-react';
import { type FormEvent, useState } from 'react';
import { Go } from '../kit/link.tsx';
import { useSavedViews } from './saved-views.ts';

interface ViewsMenuProps {
  readonly experiment: string;
  /** Of the page, to which the search string of a view is added. */
  readonly path: string;
  /** What the page shows now. */
  readonly search: string;
}

/** Views by name, kept in this browser. The address of each is one that others can open too. */
export function ViewsMenu({ experiment, path, search }: ViewsMenuProps) {
  const { views, save, remove } = useSavedViews(experiment);
  const [name, setName] = useState('');
  const current = views.find((view) => view.search === search);
  function submit(event: FormEvent): void {
    event.preventDefault();
    if (name.trim() === '') return;
    save({ name: name.trim(), search });
    setName('');
  }
  return (
    <Popover position="bottom-end" transitionProps={{ duration: 0 }} trapFocus withinPortal>
      <Popover.Target>
        <button type="button" className="button button-quiet">
          <Bookmark size={13} aria-hidden />
          {current ? current.name : 'Views'}
        </button>
      </Popover.Target>
      <Popover.Dropdown className="table-choice picker">
        {views.length === 0 ? (
          <p className="muted">A view is the filter, order and columns of this table, kept in this browser.</p>
        ) : (
          <ul className="view-list">
            {views.map((view) => (
              <li key={view.name}>
                <Go to={path + view.search} aria-current={view === current ? 'true' : undefined}>
                  {view.name}
                </Go>
                <button
                  type="button"
                  className="copy"
                  aria-label={`Remove the view ${view.name}`}
                  onClick={() => remove(view.name)}
                >
                  <Trash2 size={12} aria-hidden />
                </button>
              </li>
            ))}
          </ul>
        )}
        <form onSubmit={submit} className="view-form">
          <input
            className="input"
            aria-label="Name of the view"
            placeholder="Name for what is shown now"
            maxLength={80}
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <button type="submit" className="button" disabled={name.trim() === ''}>
            Save
          </button>
        </form>
      </Popover.Dropdown>
    </Popover>
  );
}
