import { useQuery } from '@tanstack/react-query';
import type { RunDetail, StepView } from '#pipelines/contract';
import { formatNumber } from '../data/format.ts';
import { read } from '../data/read.ts';
import { Age } from '../kit/age.tsx';
import { JsonBlock } from '../kit/copy.tsx';
import { KeyFigures } from '../kit/key-figures.tsx';
import { Go } from '../kit/link.tsx';
import { Section } from '../kit/page.tsx';
import { Load, Loading } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { StepLog } from './log/step-log.tsx';
import { Outputs } from './outputs.tsx';
import { StepActions } from './run-actions.tsx';
import { RunText } from './run-text.tsx';
import { progressText } from './run-words.ts';
import { Units } from './units.tsx';

/** One step of a run: how it went, what it made, why it ran, and its log. */
export function StepPanel({ run, step }: { readonly run: RunDetail; readonly step: StepView }) {
  const metrics = Object.entries(step.metrics);
  return (
    <>
      <Section title={`Step ${step.step}`} note={progressText(step)} aside={<StepState run={run} step={step} />}>
        {step.reason && step.status !== 'cached' ? (
          <p className="verdict">
            <RunText text={step.reason} />
          </p>
        ) : null}
        {metrics.length > 0 ? (
          <KeyFigures figures={metrics.map(([label, value]) => ({ label, value: formatNumber(value) }))} />
        ) : null}
        <CacheExplanationLine run={run.run} step={step} />
      </Section>
      <StepWork run={run.run} step={step} />
      {Object.keys(step.outputs).length > 0 ? <Outputs step={step} /> : null}
      {step.result === null ? null : (
        <Section title="Result" note="what the step returned">
          <JsonBlock value={step.result} />
        </Section>
      )}
      {step.attempts.length > 0 ? <Attempts step={step} /> : null}
    </>
  );
}

/** Where the work of the step is told: in its units, in a run of its own, or in its log. */
function StepWork({ run, step }: { readonly run: string; readonly step: StepView }) {
  if (step.units) return <Units run={run} step={step} />;
  if (step.child === undefined) return <StepLog run={run} step={step} />;
  return (
    <Section title="Run" note="the step runs a pipeline, whose steps have their own logs">
      <p>
        <Go to={places.run(step.child)}>{step.child}</Go>
      </p>
    </Section>
  );
}

function StepState({ run, step }: { readonly run: RunDetail; readonly step: StepView }) {
  return (
    <>
      <StepActions run={run} step={step} />
      <StatusChip status={step.status} />
    </>
  );
}

function CacheExplanationLine({ run, step }: { readonly run: string; readonly step: StepView }) {
  const explanation = useQuery(read('pipelines', 'explainStepCache', { params: { run, step: step.step } }));
  return (
    <Load query={explanation} loading={<Loading rows={1} />}>
      {({ text, other, differences }) => (
        <div className="cache">
          <strong>Cache:</strong> <RunText text={text} />{' '}
          {other ? (
            <Go to={places.run(other.run, { step: step.step })}>
              The other run, <Age at={other.at} />
            </Go>
          ) : null}
          {differences.length > 0 ? (
            <ul className="cache-differences">
              {differences.map(({ ingredient, before, now }) => (
                <li key={ingredient}>
                  <code>{ingredient}</code>: <del>{shown(before)}</del> → <ins>{shown(now)}</ins>
                </li>
              ))}
            </ul>
          ) : null}
        </div>
      )}
    </Load>
  );
}

const SHOWN_LENGTH = 80;

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}…` : text;
}

function Attempts({ step }: { readonly step: StepView }) {
  return (
    <Section title="Attempts" note="each under a lease; a higher epoch replaces the one before">
      <DataTable
        label="attempts"
        isPlain
        rows={step.attempts}
        idOf={(row) => row.attempt}
        columns={[
          { id: 'epoch', header: 'Epoch', value: (row) => row.epoch, isNumeric: true },
          {
            id: 'status',
            header: 'Status',
            value: (row) => row.status,
            cell: (row) => <StatusChip status={row.status} />,
          },
          { id: 'worker', header: 'Worker', value: (row) => row.worker },
          {
            id: 'started',
            header: 'Started',
            value: (row) => row.startedAt,
            cell: (row) => <Age at={row.startedAt} />,
          },
          {
            id: 'finished',
            header: 'Finished',
            value: (row) => row.finishedAt,
            cell: (row) => <Age at={row.finishedAt} />,
          },
          {
            id: 'error',
            header: 'Error',
            value: (row) => (row.error ? `${row.error.kind}: ${row.error.message}` : null),
            isWide: true,
          },
        ]}
      />
    </Section>
  );
}
