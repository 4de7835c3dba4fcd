import type { UseQueryResult } from '@tanstack/react-query';
import { OctagonX, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import { ProblemError } from '#client';
import { CodeBlock } from './copy.tsx';

/** Rows of the height that the content will have, so that nothing moves when it comes. */
export function Loading({ rows = 6, height = 30 }: { readonly rows?: number; readonly height?: number }) {
  return (
    <div className="loading" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the bars are all alike.
        <div className="loading-row" key={row} style={{ height }}>
          <div className="loading-bar" style={{ width: `${92 - ((row * 17) % 38)}%` }} />
        </div>
      ))}
    </div>
  );
}

interface EmptyProps {
  /** What would be here. */
  readonly what: string;
  /** The one command or line of code that fills it. */
  readonly command?: string;
}

export function Empty({ what, command }: EmptyProps) {
  return (
    <div className="empty">
      <p>{what}</p>
      {command ? <CodeBlock text={command} label="Copy the command" /> : null}
    </div>
  );
}

interface FailureProps {
  readonly error: Error;
  readonly retry?: (() => void) | undefined;
}

export function Failure({ error, retry }: FailureProps) {
  const problem = error instanceof ProblemError ? error.problem : undefined;
  return (
    <div className="failure" role="alert">
      <OctagonX size={16} aria-hidden />
      <div>
        <strong>{problem?.title ?? 'The control plane did not answer'}</strong>
        <p>
          {problem?.detail ?? `${error.message}. It may be stopped or out of reach; the console tries again by itself.`}
        </p>
        {problem?.fields?.map((field) => (
          <p key={field.path}>
            <code>{field.path}</code> {field.message}
          </p>
        ))}
        {problem ? (
          <p className="muted">
            {problem.code}
            {problem.instance ? ` · request ${problem.instance}` : ''}
          </p>
        ) : null}
      </div>
      {retry ? (
        <button type="button" className="button" onClick={retry}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

/** What is missing of a view that is otherwise there. */
export function Partial({ children }: { readonly children: ReactNode }) {
  return (
    <div className="partial" role="status">
      <TriangleAlert size={14} aria-hidden />
      <span>{children}</span>
    </div>
  );
}

interface LoadProps<Data> {
  readonly query: UseQueryResult<Data, Error>;
  readonly loading?: ReactNode;
  readonly children: (data: Data) => ReactNode;
}

/** The states of a query: its skeleton, its error, its data; old data stays with a word when renewing it fails. */
export function Load<Data>({ query, loading, children }: LoadProps<Data>) {
  const retry = () => void query.refetch();
  if (query.data === undefined) {
    return query.error ? <Failure error={query.error} retry={retry} /> : (loading ?? <Loading />);
  }
  return (
    <>
      {query.error ? <Partial>Not renewed since the last answer: {query.error.message}</Partial> : null}
      {children(query.data)}
    </>
  );
}
