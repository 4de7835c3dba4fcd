import { useState } from 'react';
import type { ModelVersion, Stage, StageStatus } from '#registry/contract';
import { kedge } from '../data/read.ts';
import { Action } from '../kit/action.tsx';
import { stageStatuses, stages, wordsOf } from './stages.ts';

/** Moves a version to a stage. The gate's refusal, with what is missing, is shown in the dialog. */
export function StageAction({ version }: { readonly version: ModelVersion }) {
  const [stage, setStage] = useState<Stage>(version.stage);
  const [status, setStatus] = useState<StageStatus | ''>('');
  const [isAlone, setAlone] = useState(false);
  const name = `${version.model}@${version.version}`;
  const params = { model: version.model, version: version.version };
  return (
    <Action
      label="Move to a stage"
      title={`Move ${name} to another stage?`}
      effect={
        <p>
          {name} is in {version.stage} ({wordsOf(version.stageStatus)}).
          {stage === 'Production' && version.stage !== 'Production'
            ? ' The gate decides whether it may go to Production.'
            : ''}
        </p>
      }
      confirm={`Move to ${stage}`}
      reason={{ label: 'Why', lengthMin: 1 }}
      fields={
        <>
          <label>
            <span className="field-label">Stage</span>
            <select
              className="input"
              aria-label="Stage"
              value={stage}
              onChange={(event) => setStage(event.currentTarget.value as Stage)}
            >
              {stages.map((each) => (
                <option key={each}>{each}</option>
              ))}
            </select>
          </label>
          <label>
            <span className="field-label">Status</span>
            <select
              className="input"
              aria-label="Status"
              value={status}
              onChange={(event) => setStatus(event.currentTarget.value as StageStatus | '')}
            >
              <option value="">what the stage begins with</option>
              {stageStatuses.map((each) => (
                <option key={each} value={each}>
                  {wordsOf(each)}
                </option>
              ))}
            </select>
          </label>
          <label className="action-check">
            <input type="checkbox" checked={isAlone} onChange={(event) => setAlone(event.currentTarget.checked)} />
            Archive the other versions in {stage}
          </label>
        </>
      }
      run={(reason) =>
        kedge.registry.setStage({
          params,
          body: { stage, reason, archiveOthers: isAlone, ...(status === '' ? {} : { status }) },
        })
      }
    />
  );
}

interface AliasActionProps {
  /** What the alias is moved to, unless another one is chosen in the dialog. */
  readonly version: ModelVersion;
  readonly alias?: string;
  readonly label: string;
}

/** Gives a version a name, taking it from the version that had it. */
export function AliasAction({ version, alias: given = '', label }: AliasActionProps) {
  const [alias, setAlias] = useState(given);
  const [number, setNumber] = useState(version.version);
  const { model } = version;
  return (
    <Action
      label={label}
      title={given === '' ? `Give ${model}@${version.version} an alias?` : `Move @${given} of ${model}?`}
      effect={
        <p>Whoever asks for the alias gets version {number} from then on. Where it is protected, the gate decides.</p>
      }
      confirm={`Move ${alias === '' ? 'it' : `@${alias}`} to version ${number}`}
      reason={{ label: 'Why', lengthMin: 1 }}
      fields={
        given === '' ? (
          <label>
            <span className="field-label">Alias</span>
            <input
              className="input"
              required
              maxLength={255}
              placeholder="champion"
              value={alias}
              onChange={(event) => setAlias(event.currentTarget.value.trim())}
            />
          </label>
        ) : (
          <label>
            <span className="field-label">Version</span>
            <input
              className="input"
              type="number"
              min={1}
              required
              value={number}
              onChange={(event) => setNumber(event.currentTarget.valueAsNumber)}
            />
          </label>
        )
      }
      run={(reason) => kedge.registry.moveAlias({ params: { model, alias }, body: { version: number, reason } })}
    />
  );
}
