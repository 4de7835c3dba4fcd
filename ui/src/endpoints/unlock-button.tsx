import { kedge } from '../data/read.ts';
import { Action } from '../kit/action.tsx';

export function UnlockButton({ name, current }: { readonly name: string; readonly current: string | null }) {
  return (
    <Action
      label="Unlock"
      kind="main"
      title={`Unlock ${name}?`}
      effect={
        <p>
          New versions may roll out on <strong>{name}</strong> again, one that waits at once. Traffic does not change by
          this: {current ?? 'nothing'} answers all requests until a rollout has earned a share of them.
        </p>
      }
      confirm="Unlock"
      reason={{ label: 'What was found out, and why it is safe now', lengthMin: 3 }}
      run={(reason) => kedge.serving.unlockEndpoint({ params: { endpoint: name }, body: { reason } })}
    />
  );
}
