import { Modal } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { Failure } from './states.tsx';

interface ActionProps {
  readonly label: ReactNode;
  readonly kind?: 'main' | 'bad' | 'plain';
  /** The dialog's heading, a question. */
  readonly title: string;
  /** What happens then, by name and number. */
  readonly effect: ReactNode;
  /** What the button in the dialog does, as a verb. */
  readonly confirm: string;
  /** Asks for a text that is kept with the change; absent when none is. */
  readonly reason?: { readonly label: string; readonly lengthMin: number };
  readonly fields?: ReactNode;
  /** Why it cannot be done now; it is shown beside the button that does nothing then. */
  readonly unable?: string | undefined;
  readonly run: (reason: string) => Promise<unknown>;
}

/** A button that changes something, behind a dialog that names the effect. */
export function Action(props: ActionProps) {
  const { label, kind = 'plain', title, effect, confirm, reason, fields, unable, run } = props;
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState('');
  const queryClient = useQueryClient();
  const change = useMutation({
    mutationFn: () => run(text),
    onSuccess: async () => {
      setOpen(false);
      setText('');
      await queryClient.invalidateQueries();
    },
  });
  function submit(event: FormEvent): void {
    event.preventDefault();
    change.mutate();
  }
  return (
    <>
      <button
        type="button"
        className={`button ${looks[unable ? 'plain' : kind]}`}
        // Not `disabled`: whoever uses a keyboard or a screen reader is to come to the reason.
        aria-disabled={unable ? true : undefined}
        title={unable}
        onClick={() => unable || setOpen(true)}
      >
        {label}
        {unable ? <span className="visually-hidden">{`: ${unable}`}</span> : null}
      </button>
      <Modal opened={isOpen} onClose={() => setOpen(false)} title={title} centered transitionProps={{ duration: 0 }}>
        <form onSubmit={submit} className="action">
          <div>{effect}</div>
          {fields}
          {reason ? (
            <label>
              <span className="field-label">{reason.label}</span>
              <textarea
                className="input"
                rows={3}
                data-autofocus
                required
                minLength={reason.lengthMin}
                value={text}
                onChange={(event) => setText(event.currentTarget.value)}
              />
            </label>
          ) : null}
          {change.error ? <Failure error={change.error} /> : null}
          <div className="action-buttons">
            <button type="button" className="button" onClick={() => setOpen(false)}>
              Cancel
            </button>
            <button
              type="submit"
              className={`button ${looks[kind === 'bad' ? 'bad' : 'main']}`}
              disabled={change.isPending}
            >
              {confirm}
            </button>
          </div>
        </form>
      </Modal>
    </>
  );
}

const looks = { main: 'button-main', bad: 'button-bad', plain: '' } as const;
