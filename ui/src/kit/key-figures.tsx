import type { ReactNode } from 'react';

interface KeyFigure {
  readonly label: string;
  readonly value: ReactNode;
  readonly unit?: string | undefined;
  readonly note?: ReactNode;
}

export function KeyFigures({ figures }: { readonly figures: readonly KeyFigure[] }) {
  return (
    <dl className="figures">
      {figures.map(({ label, value, unit, note }) => (
        <div key={label}>
          <dt className="figure-label">{label}</dt>
          <dd className="figure-value">
            {value}
            {unit ? <span className="figure-unit">{unit}</span> : null}
          </dd>
          {note ? <dd className="figure-note">{note}</dd> : null}
        </div>
      ))}
    </dl>
  );
}
