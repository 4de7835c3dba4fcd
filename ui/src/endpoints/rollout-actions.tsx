import { useState } from 'react';
import type { ArmView, EndpointView, RolloutView } from '#serving/contract';
import { kedge } from '../data/read.ts';
import { Action } from '../kit/action.tsx';
import { candidatesOf, isActive } from './rollout-words.ts';

const REASON_LENGTH_MIN = 3;

/** What a person may do about an endpoint's rollout now. */
export function RolloutActions({ endpoint }: { readonly endpoint: EndpointView }) {
  const { rollout, current, name } = endpoint;
  if (!rollout || !isActive(rollout.stage)) return endpoint.locked ? null : <StartRollout endpoint={endpoint} />;
  const candidate = candidatesOf(rollout);
  const params = { rollout: rollout.id };
  return (
    <>
      {rollout.live?.arms ? (
        <ArmActions rollout={rollout} arms={rollout.live.arms} endpoint={name} />
      ) : (
        <Action
          label="Promote"
          title={`Promote ${candidate} without waiting?`}
          effect={
            <p>
              Moves {candidate} on <strong>{name}</strong> to its next stage now, although the comparison has not
              decided. The guardrail stays on, and the comparison goes on and can still take it back.
            </p>
          }
          confirm="Promote"
          reason={{ label: 'Why now', lengthMin: REASON_LENGTH_MIN }}
          run={(reason) => kedge.serving.promoteRollout({ params, body: { reason } })}
        />
      )}
      <Action
        label="Abort"
        kind="bad"
        title={`Abort the rollout of ${candidate}?`}
        effect={
          <p>
            {current?.revision ?? 'The former revision'} answers 100 % of the requests of <strong>{name}</strong> again
            at once. {candidate} can be rolled out anew, from the start.
          </p>
        }
        confirm="Abort the rollout"
        reason={{ label: 'Why', lengthMin: REASON_LENGTH_MIN }}
        run={(reason) => kedge.serving.abortRollout({ params, body: { reason } })}
      />
    </>
  );
}

interface ArmActionsProps {
  readonly rollout: RolloutView;
  readonly arms: readonly ArmView[];
  readonly endpoint: string;
}

/** Of several candidates, which one is promoted, or taken out. */
function ArmActions({ rollout, arms, endpoint }: ArmActionsProps) {
  const within = arms.filter(({ name, out }) => name !== 'current' && out === null);
  const [chosen, setChosen] = useState('');
  const arm = within.find(({ name }) => name === chosen)?.name ?? within[0]?.name ?? '';
  const field = (
    <label>
      <span className="field-label">Arm</span>
      <select className="input" value={arm} onChange={(event) => setChosen(event.currentTarget.value)}>
        {within.map(({ name, version }) => (
          <option key={name} value={name}>{`${name} (${rollout.model}@${version})`}</option>
        ))}
      </select>
    </label>
  );
  const reason = { label: 'Why', lengthMin: REASON_LENGTH_MIN };
  return (
    <>
      <Action
        label="Promote"
        title="Promote an arm without waiting?"
        effect={
          <p>
            The arm answers 100 % of the requests of <strong>{endpoint}</strong> at once and is its current revision,
            although the comparison has not decided. The other arms end.
          </p>
        }
        fields={field}
        confirm="Promote"
        reason={reason}
        run={(why) => kedge.serving.promoteRollout({ params: { rollout: rollout.id }, body: { reason: why, arm } })}
      />
      <Action
        label="Take out"
        title="Take an arm out of traffic?"
        effect={<p>Its requests are shared out among the others, and it does not come back in this rollout.</p>}
        fields={field}
        confirm="Take it out"
        reason={reason}
        run={(why) => kedge.serving.dropArm({ params: { rollout: rollout.id, arm }, body: { reason: why } })}
      />
    </>
  );
}

function StartRollout({ endpoint }: { readonly endpoint: EndpointView }) {
  const { name, spec, current } = endpoint;
  const [version, setVersion] = useState('');
  const [isForced, setForced] = useState(false);
  const toggleForced = () => setForced(!isForced);
  return (
    <Action
      label="Roll out a version"
      kind={isForced ? 'bad' : 'main'}
      title={`Roll out a version of ${spec.model} on ${name}`}
      effect={
        isForced ? (
          <p>
            Waives the gate and moves <strong>100 % of the traffic of {name}</strong> to the version now.{' '}
            {current ? `${current.revision} is scored beside it and takes over again if it is better.` : ''}
          </p>
        ) : (
          <p>It begins in the shadow: scored on every request, answering nobody, until it is shown to be better.</p>
        )
      }
      fields={
        <>
          <label>
            <span className="field-label">Version</span>
            <input
              className="input"
              type="number"
              min={1}
              required
              value={version}
              onChange={(event) => setVersion(event.currentTarget.value)}
            />
          </label>
          <label>
            <input type="checkbox" checked={isForced} onChange={toggleForced} />
            {' Force it: all traffic at once, without the gate'}
          </label>
        </>
      }
      confirm={isForced ? 'Move all traffic' : 'Start in the shadow'}
      {...(isForced ? { reason: { label: 'Why, for the audit log', lengthMin: REASON_LENGTH_MIN } } : {})}
      run={(reason) =>
        kedge.serving.startRollout({
          params: { endpoint: name },
          body: { version, ...(isForced ? { force: { reason } } : {}) },
        })
      }
    />
  );
}
