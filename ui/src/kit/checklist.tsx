import { type ReactNode, useState } from 'react';
import { lookOf } from './status.tsx';

export interface Check {
  readonly id: string;
  readonly label: string;
  /** `undecided` is a finding that is not a check. */
  readonly status: 'passed' | 'not-passed' | 'missing' | 'warned' | 'undecided';
  readonly summary?: ReactNode;
  readonly aside?: ReactNode;
  readonly details?: ReactNode;
}

const words: Readonly<Record<Check['status'], string>> = {
  passed: 'passed',
  'not-passed': 'failed',
  missing: 'missing',
  warned: 'warned',
  undecided: 'for information',
};

/** Evidence: what was looked at, how it came out, and the data behind each line. */
export function Checklist({ checks }: { readonly checks: readonly Check[] }) {
  return (
    <ul className="checklist">
      {checks.map(({ id, label, status, summary, aside, details }) => {
        const { icon: Icon, tone } = lookOf(status);
        return (
          <li key={id} className="check">
            <span className="check-icon" data-tone={tone}>
              <Icon size={15} aria-hidden />
            </span>
            <div className="check-body">
              <div className="check-line">
                <strong>{label}</strong> <span className="muted">{words[status]}</span>
                <span className="check-aside">{aside}</span>
              </div>
              {summary ? <p>{summary}</p> : null}
              {details ? <Details>{details}</Details> : null}
            </div>
          </li>
        );
      })}
    </ul>
  );
}

/** Rendered once it is opened, because the data of evidence may be long. */
function Details({ children }: { readonly children: ReactNode }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Data</summary>
      {isOpen ? children : null}
    </details>
  );
}
