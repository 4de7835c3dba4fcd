import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useMemo, useState } from 'react';
import type { PredictionView } from '#monitoring/contract';
import type { EndpointView } from '#serving/contract';
import { formatFixed, formatNumber, formatPercent } from '../data/format.ts';
import { read } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { EventTime } from '../kit/age.tsx';
import { TimeChart } from '../kit/charts/time-chart.tsx';
import { Id } from '../kit/copy.tsx';
import { KeyFigures } from '../kit/key-figures.tsx';
import { Facts, Section } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { RecordedTensors } from './recorded-tensors.tsx';
import { TryIt } from './try-it.tsx';

export function Predictions({ endpoint }: { readonly endpoint: EndpointView }) {
  const { current, spec } = endpoint;
  const url = useUrl();
  const [text, setText] = useState(url.get('prediction') ?? '');
  const id = url.get('prediction');
  function look(event: FormEvent): void {
    event.preventDefault();
    url.set({ prediction: text.trim() || undefined });
  }
  return (
    <>
      <Section title="Look up a prediction" note="by the id that the gateway answered with">
        <form className="toolbar" onSubmit={look}>
          <input
            className="input"
            style={{ width: 360 }}
            aria-label="Prediction id"
            placeholder="Prediction id"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <button type="submit" className="button">
            Look up
          </button>
        </form>
        {id ? <OnePrediction id={id} /> : null}
      </Section>
      {current ? (
        <TryIt endpoint={endpoint.name} model={spec.model} version={current.version} looksUp={spec.features !== null} />
      ) : null}
      <LabelCoverage endpoint={endpoint.name} />
    </>
  );
}

function OnePrediction({ id }: { readonly id: string }) {
  const prediction = useQuery(read('monitoring', 'getPrediction', { params: { prediction: id } }));
  return <Load query={prediction}>{(view) => <PredictionDetail prediction={view} />}</Load>;
}

function PredictionDetail({ prediction }: { readonly prediction: PredictionView }) {
  const { label, loss, shadow, fallback, tensors } = prediction;
  return (
    <>
      <KeyFigures
        figures={[
          {
            label: tensors ? 'Mean of the answer' : 'Answered',
            value: formatFixed(prediction.score, 4),
            note: prediction.revision,
          },
          {
            label: 'Scored beside',
            value: formatFixed(shadow?.score, 4),
            note: shadow ? besideOf(shadow) : 'no rollout',
          },
          { label: 'What happened', value: label ? label.value : 'not known yet' },
          { label: 'Log loss', value: formatFixed(loss?.answered, 4), note: `beside ${formatFixed(loss?.shadow, 4)}` },
          { label: 'Latency', value: formatNumber(prediction.latencyUs / 1_000, 3), unit: 'ms' },
        ]}
      />
      <div className="columns">
        {tensors ? <RecordedTensors {...tensors} /> : <Columns inputs={prediction.inputs} />}
        <Facts
          items={[
            ['Id', <Id key="id" value={prediction.id} />],
            ['Event time', <EventTime key="at" at={prediction.at} />],
            ['Received', <EventTime key="received" at={prediction.receivedAt} />],
            ['Label known', <EventTime key="label" at={label?.knownAt} />],
            ['Arm', prediction.arm],
            ['Propensity', formatPercent(prediction.propensity)],
            ['Chosen by', prediction.chosenBy ?? 'the draw'],
            ['Fallback', fallback ? `${fallback.revision}: ${fallback.error}` : 'none'],
            [
              'Entities',
              Object.entries(prediction.entities ?? {})
                .map(([key, value]) => `${key}=${value}`)
                .join(', ') || '–',
            ],
          ]}
        />
      </div>
    </>
  );
}

/** What the other arm made of the same request; of tensors, how far apart they are and whether it decides so. */
function besideOf({ revision, error, difference }: NonNullable<PredictionView['shadow']>): string {
  if (error !== undefined) return error;
  if (!difference) return revision;
  if (difference.unlike) return `${revision}, another form`;
  const decision =
    difference.flipped === undefined ? '' : difference.flipped ? ', another decision' : ', the same decision';
  return `${revision}, up to ${formatNumber(difference.maxAbs)} apart${decision}`;
}

function Columns({ inputs }: Pick<PredictionView, 'inputs'>) {
  return (
    <DataTable
      label="inputs"
      name="input-"
      rows={Object.entries(inputs).map(([name, value]) => ({ name, value }))}
      idOf={(row) => row.name}
      columns={[
        { id: 'name', header: 'Input', value: (row) => row.name },
        { id: 'value', header: 'Value', value: (row) => row.value, isNumeric: true },
      ]}
    />
  );
}

function LabelCoverage({ endpoint }: { readonly endpoint: string }) {
  const coverage = useQuery(read('monitoring', 'listLabelCoverage', { params: { endpoint } }));
  return (
    <Section title="Labels by now" note="of the predictions of each day">
      <Load query={coverage}>
        {({ items }) => (items.length === 0 ? <NoPredictions endpoint={endpoint} /> : <CoverageChart items={items} />)}
      </Load>
    </Section>
  );
}

function NoPredictions({ endpoint }: { readonly endpoint: string }) {
  return (
    <Empty
      what="Nothing was predicted here yet."
      command={`curl -d '{"inputs": {}}' <gateway>/v1/endpoints/${endpoint}/predict`}
    />
  );
}

interface Coverage {
  readonly day: number;
  readonly requests: number;
  readonly labelled: number;
}

function CoverageChart({ items }: { readonly items: readonly Coverage[] }) {
  const content = useMemo(
    () => ({
      times: items.map(({ day }) => day),
      series: [
        { label: 'predictions', color: 'series-3' as const, values: items.map(({ requests }) => requests) },
        { label: 'labelled', color: 'accent' as const, values: items.map(({ labelled }) => labelled) },
      ],
    }),
    [items],
  );
  return (
    <TimeChart title="Rows a day" axis="event time, UTC, by day" format={(value) => formatNumber(value)} {...content} />
  );
}
