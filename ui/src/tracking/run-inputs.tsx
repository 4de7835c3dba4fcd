import { useQuery } from '@tanstack/react-query';
import { read } from '../data/read.ts';
import { JsonBlock } from '../kit/copy.tsx';
import { Go } from '../kit/link.tsx';
import { Section } from '../kit/page.tsx';
import { Empty, Load } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import type { TrackedRun } from './run.ts';

const CONTEXT_TAG = 'mlflow.data.context';

/** What the run read and made, and the versions that were registered from it. */
export function RunInputs({ run }: { readonly run: TrackedRun }) {
  const lineage = useQuery(read('tracking', 'getRunLineage', { params: { run: run.id } }));
  return (
    <Load query={lineage}>
      {({ datasets, inputModels, outputModels }) => (
        <>
          <Section title="Data sets" note="as the client described them">
            <DataTable
              label="data sets"
              isPlain
              rows={datasets}
              idOf={({ dataset }) => `${dataset.name}@${dataset.digest}`}
              empty={<Empty what="No data set was logged." command="mlflow.log_input(dataset, context='training')" />}
              columns={[
                { id: 'name', header: 'Data set', value: ({ dataset }) => dataset.name },
                {
                  id: 'context',
                  header: 'For',
                  value: ({ tags }) => tags.find(({ key }) => key === CONTEXT_TAG)?.value ?? null,
                },
                { id: 'digest', header: 'Digest', value: ({ dataset }) => dataset.digest },
                { id: 'type', header: 'Kind', value: ({ dataset }) => dataset.sourceType },
                { id: 'source', header: 'Source', value: ({ dataset }) => placeOf(dataset.source), isWide: true },
              ]}
            />
            {datasets.map(({ dataset }) =>
              dataset.schema ? (
                <details key={`${dataset.name}@${dataset.digest}`}>
                  <summary>Schema of {dataset.name}</summary>
                  <JsonBlock value={parsed(dataset.schema)} />
                </details>
              ) : null,
            )}
          </Section>
          <Section title="Logged models">
            <DataTable
              label="logged models"
              isPlain
              rows={[
                ...inputModels.map((link) => ({ ...link, as: 'read' })),
                ...outputModels.map((link) => ({ ...link, as: 'made' })),
              ]}
              idOf={({ as, model }) => `${as}:${model}`}
              empty={<Empty what="No model was read or made." />}
              columns={[
                {
                  id: 'model',
                  header: 'Model',
                  value: ({ model }) => model,
                  cell: ({ model }) => <code>{model}</code>,
                },
                { id: 'as', header: 'Was', value: ({ as }) => as },
                { id: 'step', header: 'At step', value: ({ step }) => step, isNumeric: true },
              ]}
            />
          </Section>
          <Registered run={run.id} />
        </>
      )}
    </Load>
  );
}

/** Versions name their run, not runs their versions: they are looked for in each model. */
function Registered({ run }: { readonly run: string }) {
  const models = useQuery(read('registry', 'listModels', { query: { limit: MODELS_MAX } }));
  return (
    <Section title="Registered as">
      <Load query={models}>
        {({ items }) => (
          <ul>
            {items.map(({ name }) => (
              <RegisteredVersions key={name} model={name} run={run} />
            ))}
          </ul>
        )}
      </Load>
    </Section>
  );
}

const MODELS_MAX = 50;

function RegisteredVersions({ model, run }: { readonly model: string; readonly run: string }) {
  const versions = useQuery(read('registry', 'listVersions', { params: { model }, query: { run } }));
  return versions.data?.items.map(({ version, semanticVersion }) => (
    <li key={version}>
      <Go to={places.version(model, version)}>
        {model} version {version}
      </Go>{' '}
      <span className="muted">{semanticVersion}</span>
    </li>
  ));
}

/** MLflow's clients send most sources as JSON with one address in it. */
function placeOf(source: string): string {
  const { uri, url } = Object(parsed(source)) as { readonly uri?: unknown; readonly url?: unknown };
  return [uri, url].find((each) => typeof each === 'string') ?? source;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
