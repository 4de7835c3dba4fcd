import type { ReactNode } from 'react';
import { Age } from './age.tsx';
import { useHeld } from './held.ts';
import { Go } from './link.tsx';
import { lookOf } from './status.tsx';

export interface TimelineItem {
  readonly id: string;
  /** Wall time. */
  readonly at: number;
  readonly status: string;
  readonly subject: string;
  readonly to?: string | undefined;
  readonly text: ReactNode;
}

/** What happened, newest first, in sentences. What arrives under the pointer waits until the pointer has left. */
export function Timeline({ items }: { readonly items: readonly TimelineItem[] }) {
  const held = useHeld(items, (item) => item.id);
  return (
    <div {...held.handlers}>
      {held.waiting > 0 ? (
        <button type="button" className="waiting" onClick={held.release}>
          {held.waiting} new above
        </button>
      ) : null}
      <ol className="timeline">
        {held.items.map(({ id, at, status, subject, to, text }) => {
          const { icon: Icon, tone } = lookOf(status);
          return (
            <li key={id} className="timeline-item">
              <span className="timeline-age">
                <Age at={at} />
              </span>
              <span className="timeline-icon" data-tone={tone}>
                <Icon size={13} aria-hidden />
                <span className="visually-hidden">{status}</span>
              </span>
              <div className="timeline-text">
                {to ? <Go to={to}>{subject}</Go> : <strong>{subject}</strong>} {text}
              </div>
            </li>
          );
        })}
      </ol>
    </div>
  );
}
