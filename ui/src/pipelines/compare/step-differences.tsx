import { useQueries } from '@tanstack/react-query';
import type { RunDifference, StepDifference } from '#pipelines/record/contract';
import { formatDurationShort, formatNumber } from '../../data/format.ts';
import { read } from '../../data/read.ts';
import { useUrl } from '../../data/use-url.ts';
import { Id, JsonBlock } from '../../kit/copy.tsx';
import { Go } from '../../kit/link.tsx';
import { Section } from '../../kit/page.tsx';
import { Empty } from '../../kit/states.tsx';
import { StatusChip } from '../../kit/status.tsx';
import type { Column } from '../../kit/table/column.ts';
import { DataTable } from '../../kit/table/data-table.tsx';
import { places } from '../../places.ts';
import { deltaMs, deltaText, sideMs, valueText } from './words.ts';

interface StepDifferencesProps {
  readonly difference: RunDifference;
}

/** The steps of both runs, one line each; the chosen one (`step`) with what differs in full. */
export function StepDifferences({ difference }: StepDifferencesProps) {
  const url = useUrl();
  const chosen = difference.steps.find(({ step }) => step === url.get('step'));
  return (
    <>
      <Section title="Steps" note="cache keys and digests of what was made, the second against the first">
        <DataTable
          label="steps"
          rows={difference.steps}
          columns={columns}
          idOf={(row) => row.step}
          to={(row) => url.href({ step: row.step })}
          empty={<Empty what="Neither run has a step." />}
        />
      </Section>
      {chosen ? <StepDetail key={chosen.step} difference={difference} step={chosen} /> : null}
    </>
  );
}

const columns: readonly Column<StepDifference>[] = [
  { id: 'step', header: 'Step', value: (row) => row.step },
  {
    id: 'made',
    header: 'Made',
    value: (row) => row.verdict,
    cell: (row) => <StatusChip status={row.verdict} detail={detailOf(row)} />,
  },
  {
    id: 'before',
    header: 'First',
    value: (row) => row.before?.status ?? null,
    cell: (row) => (row.before ? <StatusChip status={row.before.status} /> : null),
  },
  {
    id: 'now',
    header: 'Second',
    value: (row) => row.now?.status ?? null,
    cell: (row) => (row.now ? <StatusChip status={row.now.status} /> : null),
  },
  {
    id: 'took',
    header: 'First took',
    value: (row) => workMs(row.before),
    cell: (row) => timeText(row.before),
    isNumeric: true,
  },
  {
    id: 'takes',
    header: 'Second took',
    value: (row) => workMs(row.now),
    cell: (row) => timeText(row.now),
    isNumeric: true,
  },
  {
    id: 'delta',
    header: 'Difference',
    value: deltaMs,
    cell: (row) => {
      const delta = deltaMs(row);
      return delta === null ? '–' : deltaText(delta);
    },
    isNumeric: true,
  },
  { id: 'key', header: 'Cache key', value: keyText, isWide: true },
];

function detailOf({ verdict, products }: StepDifference): string | undefined {
  const differing = products.filter(({ same }) => !same).map(({ output }) => output);
  return verdict === 'different' || verdict === 'varying' ? differing.join(', ') : undefined;
}

type Side = StepDifference['before'];

function workMs(side: Side): number | null {
  return side?.status === 'cached' ? null : sideMs(side);
}

function timeText(side: Side): string {
  const took = workMs(side);
  if (took !== null) return formatDurationShort(took);
  return side?.status === 'cached' ? 'cached' : '–';
}

function keyText({ before, now, ingredients }: StepDifference): string | null {
  if (ingredients.length > 0) return `differs in ${ingredients.map(({ ingredient }) => ingredient).join(', ')}`;
  if (!before?.key || !now?.key) return null;
  return before.key === now.key ? 'equal' : 'differs';
}

function StepDetail({ difference, step }: StepDifferencesProps & { readonly step: StepDifference }) {
  const { before, now } = difference;
  const { products, ingredients, environment, metrics } = step;
  const link = (run: string) => <Go to={places.run(run, { step: step.step })}>the step there</Go>;
  return (
    <>
      <Section title={`Step ${step.step}`} note="what went in and what came out">
        <table className="table pairs" aria-label={`step ${step.step} in two runs`}>
          <thead>
            <tr>
              <th scope="col">{ingredients.length === 0 ? 'All that goes into its cache key is equal' : ''}</th>
              <th scope="col">First: {link(before.run)}</th>
              <th scope="col">Second: {link(now.run)}</th>
              <th scope="col">Difference</th>
            </tr>
          </thead>
          <tbody>
            {ingredients.map(({ ingredient, before: was, now: is }) => (
              <tr key={ingredient} data-differs>
                <th scope="row">{ingredient}</th>
                <td>{ingredientCell(was)}</td>
                <td>{ingredientCell(is)}</td>
                <td>goes into the key</td>
              </tr>
            ))}
            {environment.map(({ name, before: was, now: is }) => (
              <tr key={name} data-differs>
                <th scope="row">{name}</th>
                <td>{valueText(was)}</td>
                <td>{valueText(is)}</td>
                <td>where it ran</td>
              </tr>
            ))}
            {products.map(({ output, before: was, now: is, same, units }) => (
              <tr key={output} data-differs={!same || undefined}>
                <th scope="row">{output}</th>
                <td>{was ? <Id value={was} /> : '–'}</td>
                <td>{is ? <Id value={is} /> : '–'}</td>
                <td>{same ? 'equal' : `differs${units ? ` in ${units.join(', ')}` : ''}`}</td>
              </tr>
            ))}
            {metrics.map(({ name, before: was, now: is }) => (
              <tr key={name} data-differs={was !== is || undefined}>
                <th scope="row">{name}</th>
                <td className="num">{formatNumber(was)}</td>
                <td className="num">{formatNumber(is)}</td>
                <td>{was === null || is === null ? null : formatNumber(is - was)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Section>
      <Results runs={[before.run, now.run]} step={step.step} />
    </>
  );
}

function ingredientCell(value: unknown) {
  return typeof value === 'string' && value.startsWith('sha256:') ? <Id value={value} /> : valueText(value);
}

/** What the step returned in each run, if it returned anything. */
function Results({ runs, step }: { readonly runs: readonly string[]; readonly step: string }) {
  const details = useQueries({ queries: runs.map((run) => read('pipelines', 'getPipelineRun', { params: { run } })) });
  const results = details.map(({ data }) => data?.steps.find((each) => each.step === step)?.result ?? null);
  if (results.every((result) => result === null)) return null;
  return (
    <Section title="Results" note="what the step returned, first and second">
      <div className="columns-even">
        {results.map((result, at) => (
          <JsonBlock key={runs[at]} value={result} />
        ))}
      </div>
    </Section>
  );
}
