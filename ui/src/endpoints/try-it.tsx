import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { read } from '../data/read.ts';
import { CodeBlock } from '../kit/copy.tsx';
import { Section } from '../kit/page.tsx';
import { Load } from '../kit/states.tsx';

interface TryItProps {
  readonly endpoint: string;
  readonly model: string;
  readonly version: number;
  /** Features of views, which the request does not send. */
  readonly looksUp: boolean;
}

/** A request to the endpoint, written from the signature of its current revision. */
export function TryIt({ endpoint, model, version, looksUp }: TryItProps) {
  const found = useQuery(read('registry', 'getVersion', { params: { model, version } }));
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const note = looksUp ? 'leave out what a feature view delivers' : `as ${model}@${version} takes it`;
  return (
    <Section title="Try it" note={note}>
      <Load query={found}>
        {({ signature }) =>
          signature.inputs.length === 0 ? (
            <CodeBlock text={tensorCommands(endpoint)} label="Copy the commands" />
          ) : (
            <>
              <div className="try-it">
                {signature.inputs.map(({ name, kind }) => (
                  <label key={name}>
                    <span>{name}</span>
                    <input
                      className="input"
                      inputMode={kind === 'numeric' ? 'decimal' : 'text'}
                      placeholder={kind === 'numeric' ? 'a number' : 'a text'}
                      value={values[name] ?? ''}
                      onChange={(event) => setValues({ ...values, [name]: event.currentTarget.value })}
                    />
                  </label>
                ))}
              </div>
              <CodeBlock text={commandOf(endpoint, signature.inputs, values)} label="Copy the command" />
            </>
          )
        }
      </Load>
    </Section>
  );
}

/** A model whose inputs are no columns is called by its tensors, which the gateway tells. */
function tensorCommands(endpoint: string): string {
  const address = `<gateway>/v2/models/${endpoint}`;
  return `curl ${address}  # the tensors that it takes\ncurl -d @request.json ${address}/infer`;
}

/** What is left empty is a missing value. */
function commandOf(
  endpoint: string,
  inputs: readonly { readonly name: string; readonly kind: string }[],
  values: Readonly<Record<string, string>>,
): string {
  const given = inputs.map(({ name, kind }): [string, string | number | null] => {
    const text = (values[name] ?? '').trim();
    if (text === '') return [name, null];
    const number = Number(text.replace(',', '.'));
    return [name, kind === 'numeric' ? (Number.isFinite(number) ? number : null) : text];
  });
  const body = JSON.stringify({ inputs: Object.fromEntries(given) }, null, 2).replaceAll("'", "'\\''");
  return `curl -d '${body}' <gateway>/v1/endpoints/${endpoint}/predict`;
}
