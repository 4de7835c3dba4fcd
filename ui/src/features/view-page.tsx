import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import type { FeatureViewSpec } from '#features/contract';
import { formatNumber } from '../data/format.ts';
import { read } from '../data/read.ts';
import { usePathParams } from '../data/use-params.ts';
import { useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Columns, Facts, Page, Section } from '../kit/page.tsx';
import { Load } from '../kit/states.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { places } from '../places.ts';
import { viewSpec } from './view-spec.ts';

type Feature = FeatureViewSpec['features'][number];

const columns: readonly Column<Feature>[] = [
  { id: 'name', header: 'Feature', value: (row) => row.name },
  { id: 'aggregate', header: 'Aggregate', value: (row) => row.aggregate },
  { id: 'column', header: 'Column', value: (row) => row.column ?? null },
  { id: 'window', header: 'Window', value: (row) => row.window, isNumeric: true },
];

export function FeatureViewPage() {
  const { view: name } = usePathParams('view');
  const view = useQuery(read('resources', 'getResource', { params: { kind: 'feature-view', name } }));
  return (
    <Page
      title={name}
      crumbs={[{ label: 'Features', to: places.features() }]}
      lead={view.data ? viewSpec(view.data).description || undefined : undefined}
    >
      <Load query={view}>
        {(resource) => {
          const spec = viewSpec(resource);
          return (
            <Columns
              facts={
                <Facts
                  items={[
                    [
                      'Dataset',
                      <Go key="dataset" to={places.dataset(spec.dataset)}>
                        {spec.dataset}
                      </Go>,
                    ],
                    ['Entity', spec.keys.join(', ')],
                    ['Windows over', spec.time === 'known' ? 'known time: safe for late values' : 'event time'],
                    ['Online', spec.online ? 'yes, kept up to date' : 'no'],
                    ['Lateness', spec.lateness],
                    ['Generation', resource.generation],
                    ['Declared', <Age key="declared" at={resource.updatedAt} />],
                  ]}
                />
              }
            >
              <Section title="Features">
                <DataTable label="features" rows={spec.features} columns={columns} idOf={(row) => row.name} />
              </Section>
              {spec.online ? <OnlineRead view={name} keys={spec.keys} /> : null}
            </Columns>
          );
        }}
      </Load>
    </Page>
  );
}

/** Reads one entity as the gateway does; entity and time are part of the address. */
function OnlineRead({ view, keys }: { readonly view: string; readonly keys: readonly string[] }) {
  const url = useUrl();
  const [entity, setEntity] = useState(url.get('entity') ?? '');
  const [at, setAt] = useState(url.get('at') ?? '');
  function look(event: FormEvent): void {
    event.preventDefault();
    url.set({ entity: entity.trim(), at });
  }
  const asked = url.get('entity');
  return (
    <Section title="Read online" note="as the gateway reads it for a request">
      <form className="toolbar" onSubmit={look}>
        <input
          className="input"
          required
          aria-label={`Entity: ${keys.join(', ')}`}
          placeholder={keys.join(', ')}
          value={entity}
          onChange={(event) => setEntity(event.currentTarget.value)}
        />
        <label>
          <span className="field-label">as of (event time, UTC) </span>
          <input
            className="input"
            type="datetime-local"
            value={at}
            onChange={(event) => setAt(event.currentTarget.value)}
          />
        </label>
        <button type="submit" className="button">
          Read
        </button>
      </form>
      {asked ? <OnlineValues view={view} entity={asked} at={url.get('at')} /> : null}
    </Section>
  );
}

interface OnlineValuesProps {
  readonly view: string;
  readonly entity: string;
  readonly at: string | undefined;
}

function OnlineValues({ view, entity, at }: OnlineValuesProps) {
  const [openedAt] = useState(() => Date.now());
  const time = at ? Date.parse(`${at}Z`) : openedAt;
  const values = useQuery(read('features', 'readFeatures', { params: { view }, query: { entity, at: time } }));
  return (
    <Load query={values}>
      {(answer) => (
        <DataTable
          label="values"
          name="value-"
          isPlain
          rows={Object.entries(answer.values)}
          idOf={([feature]) => feature}
          columns={[
            { id: 'feature', header: 'Feature', value: ([feature]) => feature },
            {
              id: 'value',
              header: 'Value',
              value: ([, value]) => value,
              cell: ([, value]) => formatNumber(value),
              isNumeric: true,
            },
          ]}
        />
      )}
    </Load>
  );
}
