import { ChevronRight, Search } from 'lucide-react';
import { type ReactNode, useEffect } from 'react';
import { Go } from './link.tsx';
import { usePalette } from './palette-context.ts';

export interface Crumb {
  readonly label: string;
  readonly to: string;
}

interface PageProps {
  readonly title: string;
  /** Pages above this one, from the outside in. */
  readonly crumbs?: readonly Crumb[];
  /** Beside the title: the state of what is shown. */
  readonly state?: ReactNode;
  readonly actions?: ReactNode;
  readonly lead?: ReactNode;
  readonly children: ReactNode;
}

export function Page({ title, crumbs = [], state, actions, lead, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Kedge`;
  }, [title]);
  return (
    <>
      <header className="top">
        {crumbs.length > 0 ? (
          <nav aria-label="Breadcrumb">
            <ol className="crumbs">
              {crumbs.map(({ label, to }) => (
                <li key={to}>
                  <Go to={to}>{label}</Go>
                  <ChevronRight size={13} aria-hidden />
                </li>
              ))}
            </ol>
          </nav>
        ) : null}
        <h1>{title}</h1>
        {state}
        <div className="top-actions">{actions}</div>
        <PaletteButton />
      </header>
      <div className="page">
        {lead ? <p className="page-lead">{lead}</p> : null}
        {children}
      </div>
    </>
  );
}

function PaletteButton() {
  const { open } = usePalette();
  return (
    <button type="button" className="goto" onClick={open}>
      <Search size={13} aria-hidden />
      Go to
      <span className="key">Ctrl K</span>
    </button>
  );
}

interface SectionProps {
  readonly title: string;
  /** In small print: the axis of time, the unit, the source. */
  readonly note?: ReactNode;
  readonly aside?: ReactNode;
  readonly children: ReactNode;
}

export function Section({ title, note, aside, children }: SectionProps) {
  return (
    <section className="section" aria-label={title}>
      <div className="section-head">
        <h2>{title}</h2>
        {note ? <span className="section-note">{note}</span> : null}
        {aside ? <div className="section-aside">{aside}</div> : null}
      </div>
      {children}
    </section>
  );
}

/** Main column for the story, right column for the facts. */
export function Columns({ facts, children }: { readonly facts: ReactNode; readonly children: ReactNode }) {
  return (
    <div className="columns">
      <div>{children}</div>
      <aside aria-label="Facts">{facts}</aside>
    </div>
  );
}

interface FactsProps {
  readonly title?: string;
  readonly items: readonly (readonly [label: string, value: ReactNode])[];
}

export function Facts({ title, items }: FactsProps) {
  return (
    <div className="facts-block">
      {title ? <div className="facts-title">{title}</div> : null}
      <dl className="facts">
        {items.map(([label, value]) => (
          <div key={label} style={{ display: 'contents' }}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
