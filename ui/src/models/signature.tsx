import type { ModelVersion } from '#registry/contract';
import { Section } from '../kit/page.tsx';
import { Empty } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';

/** What the version takes and gives: in the terms of serving, or else as MLflow's signature has it. */
export function Signature({ version }: { readonly version: ModelVersion }) {
  const { signature, schema } = version;
  const inputs = signature.inputs.map((input, index) => ({ ...input, index }));
  if (inputs.length === 0 && !schema) return <Empty what="This version was registered without a signature." />;
  return (
    <>
      {inputs.length > 0 ? (
        <Section title="Inputs" note={`in the order of the model; the output is a ${signature.output}`}>
          <DataTable
            label="inputs"
            rows={inputs}
            idOf={(row) => row.name}
            columns={[
              { id: 'index', header: 'Position', value: (row) => row.index, isNumeric: true },
              { id: 'name', header: 'Name', value: (row) => row.name },
              { id: 'kind', header: 'Kind', value: (row) => row.kind },
            ]}
          />
        </Section>
      ) : null}
      {schema
        ? (['inputs', 'outputs', 'params'] as const).map((part) =>
            schema[part].length === 0 ? null : (
              <Section key={part} title={`Schema: ${part}`} note="as MLflow's signature has it">
                <DataTable
                  label={part}
                  name={`${part}-`}
                  rows={schema[part].map((field, index) => ({ ...field, index }))}
                  idOf={(row) => String(row.index)}
                  columns={[
                    { id: 'index', header: 'Position', value: (row) => row.index, isNumeric: true },
                    { id: 'name', header: 'Name', value: (row) => row.name || null },
                    { id: 'type', header: 'Type', value: (row) => row.type },
                    { id: 'required', header: 'Required', value: (row) => (row.required ? 'yes' : 'no') },
                  ]}
                />
              </Section>
            ),
          )
        : null}
    </>
  );
}
