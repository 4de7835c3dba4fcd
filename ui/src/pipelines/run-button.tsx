import { useId, useState } from 'react';
import type { PipelineSpec } from '#pipelines/contract';
import { kedge } from '../data/read.ts';
import { Action } from '../kit/action.tsx';

type Params = PipelineSpec['params'];
type Declared = Params[string];

/** Starts a run with parameters that are asked for as the pipeline declares them. */
export function RunButton({ pipeline, params }: { readonly pipeline: string; readonly params: Params }) {
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>({});
  const given = Object.entries(texts).filter(([name, text]) => text !== '' && Object.hasOwn(params, name));
  return (
    <Action
      label="Run"
      kind="main"
      title={`Run ${pipeline} now?`}
      effect={
        <p>
          Starts a run of <strong>{pipeline}</strong> as it is declared now. Steps whose code, parameters and inputs are
          those of an earlier run are taken from the cache.
        </p>
      }
      fields={Object.entries(params).map(([name, declared]) => (
        <Field
          key={name}
          name={name}
          declared={declared}
          text={texts[name] ?? ''}
          onChange={(text) => setTexts((before) => ({ ...before, [name]: text }))}
        />
      ))}
      confirm="Start the run"
      run={() => {
        const values = given.map(([name, text]) => [name, valueOfText(params[name], text)] as const);
        return kedge.pipelines.startPipelineRun({ params: { pipeline }, body: { params: Object.fromEntries(values) } });
      }}
    />
  );
}

interface FieldProps {
  readonly name: string;
  readonly declared: Declared;
  readonly text: string;
  readonly onChange: (text: string) => void;
}

function Field({ name, declared, text, onChange }: FieldProps) {
  const id = useId();
  const { type, default: value, description } = declared;
  const hint = value === undefined ? 'required' : `${value} unless told`;
  return (
    <div>
      <label className="field-label" htmlFor={id}>
        {name} <span className="muted">{`${type}, ${hint}`}</span>
      </label>
      {type === 'boolean' ? (
        <select id={id} className="input" value={text} onChange={(event) => onChange(event.currentTarget.value)}>
          <option value="">{value === undefined ? '' : String(value)}</option>
          <option value="true">true</option>
          <option value="false">false</option>
        </select>
      ) : (
        <input
          id={id}
          className="input"
          required={value === undefined}
          placeholder={value === undefined ? placeholders[type] : String(value)}
          inputMode={type === 'number' || type === 'integer' ? 'decimal' : undefined}
          value={text}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      )}
      {description ? <span className="muted">{description}</span> : null}
    </div>
  );
}

const placeholders: Readonly<Partial<Record<Declared['type'], string>>> = {
  timestamp: '2026-01-31T06:00Z',
  duration: '24h',
};

/** A text as its type wants it. One that does not fit is left for the control plane to refuse, with the field. */
function valueOfText(declared: Declared | undefined, text: string): string | number | boolean {
  if (declared?.type === 'number' || declared?.type === 'integer') {
    return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
  }
  return declared?.type === 'boolean' ? text === 'true' : text;
}
