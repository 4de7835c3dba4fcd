import type { RunDetail, StepView } from '#pipelines/contract';
import { kedge } from '../data/read.ts';
import { Action } from '../kit/action.tsx';

/** What may be done to a run; what cannot be done now says why. */
export function RunActions({ run }: { readonly run: RunDetail }) {
  return (
    <>
      <ResumeButton run={run} />
      <PauseButton run={run} />
      <CancelButton run={run} />
    </>
  );
}

const isOver = ({ finishedAt }: RunDetail): boolean => finishedAt !== null;

function ResumeButton({ run }: { readonly run: RunDetail }) {
  const done = run.steps.filter(({ status }) => status === 'succeeded' || status === 'cached').length;
  const unable = !isOver(run)
    ? 'the run goes on; one that failed or was cancelled can be resumed'
    : run.status === 'succeeded'
      ? 'the run succeeded, so nothing is left to do; a step of it can be run again'
      : undefined;
  return (
    <Action
      label="Resume"
      kind="main"
      unable={unable}
      title="Resume this run?"
      effect={
        <p>
          Starts a run of <strong>{run.pipeline}</strong> with the same parameters, code and inputs. The work of
          {` ${done} of ${run.steps.length} `}
          steps is done and taken over; this run stays as it is.
        </p>
      }
      confirm="Start the run"
      run={() => kedge.pipelines.resumePipelineRun({ params: { run: run.run } })}
    />
  );
}

function PauseButton({ run }: { readonly run: RunDetail }) {
  const params = { run: run.run };
  if (run.pausedAt !== null && !isOver(run)) {
    return (
      <Action
        label="Go on"
        kind="main"
        title="Let this run go on?"
        effect={<p>Steps that are ready are given to workers again.</p>}
        confirm="Let it go on"
        run={() => kedge.pipelines.unpausePipelineRun({ params })}
      />
    );
  }
  return (
    <Action
      label="Pause"
      unable={closedWords(run)}
      title="Pause this run?"
      effect={<p>No further step starts until it is told to go on. What runs is not interrupted.</p>}
      confirm="Pause the run"
      run={() => kedge.pipelines.pausePipelineRun({ params })}
    />
  );
}

function CancelButton({ run }: { readonly run: RunDetail }) {
  return (
    <Action
      label="Cancel"
      kind="bad"
      unable={closedWords(run)}
      title="Cancel this run?"
      effect={
        <p>
          Steps of <strong>{run.pipeline}</strong> that wait are cancelled at once, those that run are killed. What is
          finished stays in the cache.
        </p>
      }
      confirm="Cancel the run"
      run={() => kedge.pipelines.cancelPipelineRun({ params: { run: run.run }, body: {} })}
    />
  );
}

/** Why a run cannot be stopped any more. */
function closedWords(run: RunDetail): string | undefined {
  if (run.status === 'cancelling') return 'the run is being cancelled';
  return isOver(run) ? `the run ${run.status === 'cancelled' ? 'was cancelled' : run.status}` : undefined;
}

/** What may be done to a step: decide about it while it waits for a person, do it anew when its run is over. */
export function StepActions({ run, step }: { readonly run: RunDetail; readonly step: StepView }) {
  const params = { run: run.run, step: step.step };
  if (step.status === 'waiting') {
    const decide = (decision: 'approve' | 'reject') => (reason: string) =>
      kedge.pipelines.decideStep({ params, body: { decision, reason } });
    const reason = { label: 'Reason', lengthMin: 1 };
    return (
      <>
        <Action
          label="Approve"
          kind="main"
          title={`Approve ${step.step}?`}
          effect={<p>What needs this step goes on. Your name and the reason are kept in the audit log.</p>}
          confirm="Approve"
          reason={reason}
          run={decide('approve')}
        />
        <Action
          label="Reject"
          kind="bad"
          title={`Reject ${step.step}?`}
          effect={<p>The step fails, and what needs it is skipped.</p>}
          confirm="Reject"
          reason={reason}
          run={decide('reject')}
        />
      </>
    );
  }
  const unable = !isOver(run)
    ? 'the run goes on; its steps can be run again when it is over'
    : step.status === 'skipped'
      ? 'the step was skipped; run what it needs again'
      : undefined;
  return (
    <Action
      label="Run again from here"
      unable={unable}
      title={`Run again from ${step.step}?`}
      effect={
        <p>
          Starts a run of <strong>{run.pipeline}</strong> as it is declared now that does {step.step} and all that needs
          it anew. The other steps that are done are taken over.
        </p>
      }
      confirm="Start the run"
      run={() => kedge.pipelines.rerunPipelineRun({ params: { run: run.run }, body: { from: [step.step] } })}
    />
  );
}
