import { useState } from 'react';
import { formatCount } from '../../data/format.ts';
import { CopyButton } from '../../kit/copy.tsx';

const SHOWN_LENGTH = 6_000;

interface ValueProps {
  readonly title: string;
  readonly value: unknown;
  /** Closed until it is opened. */
  readonly isFolded?: boolean;
}

interface Message {
  readonly role: string;
  readonly content: string;
}

/** A value of any kind: a text as it is, a conversation by its turns, anything else as JSON. */
export function Value({ title, value, isFolded = false }: ValueProps) {
  const messages = messagesOf(value);
  const text = typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? 'null');
  return (
    <details className="span-value" open={!isFolded}>
      <summary>
        <span>{title}</span>
        <CopyButton text={text} label={`Copy ${title.toLowerCase()}`} />
      </summary>
      {messages ? (
        <ol className="turns">
          {messages.map(({ role, content }, turn) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: turns are known by their place in the conversation.
            <li key={turn}>
              <span className="turn-role">{role}</span>
              <Text text={content} />
            </li>
          ))}
        </ol>
      ) : (
        <Text text={text} isCode={typeof value !== 'string'} />
      )}
    </details>
  );
}

function Text({ text, isCode = false }: { readonly text: string; readonly isCode?: boolean }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? text : text.slice(0, SHOWN_LENGTH);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard. */}
      <pre className={isCode ? 'span-code' : 'span-text'} tabIndex={0}>
        {shown === '' ? <span className="muted">empty</span> : shown}
      </pre>
      {shown.length < text.length ? (
        <button type="button" className="button button-quiet" onClick={() => setWhole(true)}>
          Show all {formatCount(text.length)} characters
        </button>
      ) : null}
    </>
  );
}

/** The turns of a conversation, where the value is one and nothing else: a role and a text, or a list of those. */
function messagesOf(value: unknown): readonly Message[] | undefined {
  const list = isObject(value) && Object.keys(value).length === 1 ? value['messages'] : value;
  if (isMessage(value)) return [value];
  if (!Array.isArray(list) || list.length === 0) return undefined;
  return list.every(isMessage) ? list : undefined;
}

function isMessage(value: unknown): value is Message {
  return isObject(value) && typeof value['role'] === 'string' && typeof value['content'] === 'string';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
