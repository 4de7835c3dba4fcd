import { useState } from 'react';
import { ProblemError } from '#client';
import { type ApprovalRequest, approvalStatement } from '#governance/contract';
import { kedge } from '../data/read.ts';
import { Action } from '../kit/action.tsx';
import { CodeBlock, Id } from '../kit/copy.tsx';
import { type ApprovalKey, canSign, readApprovalKey } from './approval-key.ts';

interface DecideActionProps {
  readonly request: ApprovalRequest;
  readonly decision: 'approved' | 'rejected';
}

/** Signs a decision in this page with a key from a file that the person chooses; only the signature is sent. */
export function DecideAction({ request, decision }: DecideActionProps) {
  const [key, setKey] = useState<ApprovalKey>();
  const [isNew, setNew] = useState(false);
  const verb = decision === 'approved' ? 'Approve' : 'Reject';
  const name = `${request.model}@${request.version}`;
  async function decide(reason: string): Promise<void> {
    if (!key) throw new Error('choose the file of your private key first');
    if (isNew) await kedge.governance.enrolApproverKey({ body: { publicKey: key.publicKey } });
    const { id, model, version, digest, transition, target } = request;
    const said = { decision, reason, key: key.id };
    const statement = approvalStatement({ request: id, model, version, digest, transition, target, ...said });
    const body = { ...said, signature: await key.sign(statement) };
    try {
      await kedge.governance.decideApproval({ params: { request: id }, body });
    } catch (error) {
      if (error instanceof ProblemError && error.code === 'governance/key-unknown') setNew(true);
      throw error;
    }
  }
  return (
    <Action
      label={verb}
      kind={decision === 'approved' ? 'main' : 'bad'}
      title={`${verb} ${name} for ${request.target}?`}
      effect={
        <>
          <p>Your signed word about exactly this content becomes evidence of the version, by your name.</p>
          <p className="muted">
            content <Id value={request.digest} />
          </p>
        </>
      }
      confirm={`Sign and ${verb.toLowerCase()}`}
      reason={{ label: decision === 'approved' ? 'What you looked at' : 'Why', lengthMin: 1 }}
      fields={
        canSign() ? (
          <KeyField
            chosen={key}
            onKey={(chosen) => {
              setKey(chosen);
              setNew(false);
            }}
            isNew={isNew}
            onNew={setNew}
          />
        ) : (
          <div>
            <p>
              Browsers sign only on pages that came by HTTPS or from this machine. The command line does it anywhere:
            </p>
            <CodeBlock
              text={`kedge approvals ${verb.toLowerCase()} ${request.id} --key <your key.pem> --reason "…"`}
              label="Copy the command"
            />
          </div>
        )
      }
      run={decide}
    />
  );
}

interface KeyFieldProps {
  readonly chosen: ApprovalKey | undefined;
  readonly onKey: (key: ApprovalKey | undefined) => void;
  readonly isNew: boolean;
  readonly onNew: (isNew: boolean) => void;
}

function KeyField({ chosen, onKey, isNew, onNew }: KeyFieldProps) {
  const [problem, setProblem] = useState<string>();
  async function read(file: File | undefined): Promise<void> {
    setProblem(undefined);
    onKey(undefined);
    if (!file) return;
    try {
      onKey(await readApprovalKey(await file.text()));
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  }
  return (
    <div className="action-key">
      <label>
        <span className="field-label">Your Ed25519 private key (PEM); it does not leave this page</span>
        <input
          className="input"
          type="file"
          accept=".pem,.key"
          required
          onChange={(event) => void read(event.currentTarget.files?.[0])}
        />
      </label>
      {problem ? (
        <p className="partial" role="alert">
          {problem}
        </p>
      ) : null}
      {chosen ? (
        <>
          <p className="muted">
            key <Id value={chosen.id} />
          </p>
          <label className="action-check">
            <input type="checkbox" checked={isNew} onChange={(event) => onNew(event.currentTarget.checked)} />
            Enrol this key as mine first
          </label>
        </>
      ) : (
        <details>
          <summary>I have no key yet</summary>
          <CodeBlock text="openssl genpkey -algorithm ed25519 -out approver.pem" label="Copy the command" />
        </details>
      )}
    </div>
  );
}
