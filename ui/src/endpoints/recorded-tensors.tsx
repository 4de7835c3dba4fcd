import { formatCount, formatNumber } from '../data/format.ts';
import { Id } from '../kit/copy.tsx';
import { exactly, formOf, type RecordedTensor, rowsOf, sizeOf, type TensorValue } from './tensor-layout.ts';

interface RecordedTensorsProps {
  readonly inputs: readonly RecordedTensor[];
  readonly outputs: readonly RecordedTensor[];
}

/** What a model of tensors got and answered, as far as it was kept. */
export function RecordedTensors({ inputs, outputs }: RecordedTensorsProps) {
  return (
    <div className="tensors">
      <Side title="Inputs" tensors={inputs} />
      <Side title="Outputs" tensors={outputs} decides />
    </div>
  );
}

interface SideProps {
  readonly title: string;
  readonly tensors: readonly RecordedTensor[];
  /** Whether the greatest number of a row is a decision. */
  readonly decides?: boolean;
}

function Side({ title, tensors, decides = false }: SideProps) {
  return (
    <section aria-label={title}>
      <h3 className="facts-title">{title}</h3>
      {tensors.length === 0 ? <p className="muted">none was kept</p> : null}
      {tensors.map((tensor) => (
        <article key={tensor.name} className="tensor" aria-label={tensor.name}>
          <header>
            <span className="tensor-name">{tensor.name}</span>
            <code>{formOf(tensor)}</code>
          </header>
          <Values tensor={tensor} decides={decides} />
        </article>
      ))}
    </section>
  );
}

function Values({ tensor, decides }: { readonly tensor: RecordedTensor; readonly decides: boolean }) {
  const { data, sample = [], digest, datatype } = tensor;
  const rows = rowsOf(tensor);
  if (rows) {
    return (
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
      <div className="tensor-scroll" tabIndex={0}>
        <table>
          <tbody>
            {rows.map(({ place, values, greatest }) => (
              <tr key={place}>
                {place === '' ? null : <th scope="row">{place}</th>}
                {values.map((value, i) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: a value is known by its place alone.
                  <td key={i} title={exactly(value)} data-decided={decides && i === greatest ? true : undefined}>
                    {shown(value, datatype)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    );
  }
  if (data) return <List values={data} datatype={datatype} />;
  return (
    <>
      <List values={sample} datatype={datatype} isPart />
      <p className="tensor-note">
        {`${formatCount(sample.length)} of ${formatCount(sizeOf(tensor))} values, at equal distances`}
        {digest ? <Id value={digest} /> : null}
      </p>
    </>
  );
}

interface ListProps {
  readonly values: readonly TensorValue[];
  readonly datatype: string;
  readonly isPart?: boolean;
}

function List({ values, datatype, isPart = false }: ListProps) {
  if (values.length === 0) return <p className="tensor-note">no values</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard.
    <div className="tensor-list" tabIndex={0}>
      {values.map((value, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a value is known by its place alone.
        <span key={i} title={exactly(value)}>
          {shown(value, datatype)}
        </span>
      ))}
      {isPart ? <span aria-hidden>…</span> : null}
    </div>
  );
}

/** Numbers as they are read; whole ones that JSON does not hold came as texts. The rest is as JSON has it. */
function shown(value: TensorValue, datatype: string): string {
  if (typeof value === 'number') return formatNumber(value, 5);
  return typeof value === 'string' && datatype !== 'BYTES' ? value : exactly(value);
}
