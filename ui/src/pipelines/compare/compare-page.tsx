import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { RunDifference } from '#pipelines/record/contract';
import { formatDurationShort } from '../../data/format.ts';
import { read } from '../../data/read.ts';
import { useUrl } from '../../data/use-url.ts';
import { Age } from '../../kit/age.tsx';
import { Id } from '../../kit/copy.tsx';
import { Go } from '../../kit/link.tsx';
import { Page, Section } from '../../kit/page.tsx';
import { Empty, Load, Loading } from '../../kit/states.tsx';
import { StatusChip } from '../../kit/status.tsx';
import { places } from '../../places.ts';
import { causeOf } from '../run-words.ts';
import { StepDifferences } from './step-differences.tsx';
import { deltaText, sideMs, summaryOf, valueText } from './words.ts';

/** Two runs side by side: what they were made from, and step by step what came of it. */
export function ComparePipelineRunsPage() {
  const url = useUrl();
  const [a, b] = [url.get('a'), url.get('b')];
  const title = a && b ? `${shortOf(a)} and ${shortOf(b)}` : 'Two runs';
  return (
    <Page
      title={title}
      crumbs={[
        { label: 'Pipelines', to: places.pipelines() },
        { label: 'Runs', to: places.runs() },
      ]}
      actions={
        a && b ? (
          <Go className="button" to={url.href({ a: b, b: a })}>
            Exchange
          </Go>
        ) : null
      }
    >
      {a && b ? (
        <Comparison a={a} b={b} />
      ) : (
        <Empty what="Choose two runs in the list of runs, by their boxes." command="kedge runs compare <run> <other>" />
      )}
    </Page>
  );
}

const SHORT = 20;

function shortOf(run: string): string {
  return run.length > SHORT ? `${run.slice(0, SHORT)}…` : run;
}

function Comparison({ a, b }: { readonly a: string; readonly b: string }) {
  const query = useQuery(read('records', 'comparePipelineRuns', { params: { run: a, other: b } }));
  return (
    <Load query={query} loading={<Loading rows={14} />}>
      {(difference) => (
        <>
          <p className="verdict">{summaryOf(difference)}</p>
          <MadeFrom difference={difference} />
          <StepDifferences difference={difference} />
        </>
      )}
    </Load>
  );
}

type Side = RunDifference['before'];

function MadeFrom({ difference: { before, now, made } }: { readonly difference: RunDifference }) {
  const [was, is] = [sideMs(before), sideMs(now)];
  const other = made.filter(({ name }) => !name.startsWith('params.') && !SHOWN.has(name));
  const params = [...new Set([...Object.keys(before.params), ...Object.keys(now.params)])];
  const row = (label: string, cell: (side: Side) => ReactNode, delta: ReactNode = null, differs = false) => (
    <tr key={label} data-differs={differs || undefined}>
      <th scope="row">{label}</th>
      <td>{cell(before)}</td>
      <td>{cell(now)}</td>
      <td>{delta ?? (differs ? 'differs' : null)}</td>
    </tr>
  );
  const text = (label: string, of: (side: Side) => string | number | null) =>
    row(label, (side) => of(side) ?? '–', null, of(before) !== of(now));
  const digest = (label: string, of: (side: Side) => string | null) =>
    row(
      label,
      (side) => digestCell(of(side)),
      of(before) === of(now) && of(now) ? 'equal' : null,
      of(before) !== of(now),
    );
  return (
    <Section title="What they were made from" note="the second against the first">
      <div className="table-scroller">
        <table className="table pairs" aria-label="two runs">
          <thead>
            <tr>
              <th scope="col">Run</th>
              <th scope="col">
                <Go to={places.run(before.run)}>{shortOf(before.run)}</Go>
              </th>
              <th scope="col">
                <Go to={places.run(now.run)}>{shortOf(now.run)}</Go>
              </th>
              <th scope="col">Difference</th>
            </tr>
          </thead>
          <tbody>
            {row(
              'Status',
              ({ status }) => (
                <StatusChip status={status} />
              ),
              null,
              before.status !== now.status,
            )}
            {row(
              'Took',
              (side) => (sideMs(side) === null ? '–' : formatDurationShort(sideMs(side) ?? 0)),
              was === null || is === null ? null : deltaText(is - was),
            )}
            {text('Pipeline', ({ pipeline }) => pipeline)}
            {text('Generation', ({ generation }) => generation)}
            {text('Seed', ({ seed }) => seed)}
            {params.map((name) => text(name, ({ params: own }) => valueText(own[name] ?? null)))}
            {digest('Code bundle', ({ code }) => code)}
            {other.map(({ name, before: first, now: second }) =>
              row(name, (side) => valueText(side === before ? first : second), null, true),
            )}
            {row('Started by', (side) => causeOf(side).text)}
            {row('Created', ({ createdAt }) => (
              <Age at={createdAt} />
            ))}
            {row('Record', ({ digest: sealed }) => digestCell(sealed, 'not sealed yet'))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

/** What has a row of its own. */
const SHOWN = new Set(['pipeline', 'generation', 'seed', 'code']);

function digestCell(digest: string | null, without = 'none') {
  return digest === null ? <span className="muted">{without}</span> : <Id value={digest} />;
}
