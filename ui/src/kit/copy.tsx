import { Check, Copy } from 'lucide-react';
import { useEffect, useState } from 'react';

const TOLD_MS = 1_500;

export function CopyButton({ text, label }: { readonly text: string; readonly label: string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = window.setTimeout(() => setCopied(false), TOLD_MS);
    return () => window.clearTimeout(timer);
  }, [isCopied]);
  return (
    <button
      type="button"
      className="copy"
      title={isCopied ? 'Copied' : label}
      aria-label={label}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
    >
      {isCopied ? <Check size={12} aria-hidden /> : <Copy size={12} aria-hidden />}
    </button>
  );
}

const SHOWN_START = 13;
const SHOWN_END = 4;

/** An identifier in full when it is short, else its ends; always copied in full. */
export function Id({ value }: { readonly value: string }) {
  const isLong = value.length > SHOWN_START + SHOWN_END + 2;
  return (
    <span className="id" title={value}>
      <code>{isLong ? `${value.slice(0, SHOWN_START)}…${value.slice(-SHOWN_END)}` : value}</code>
      <CopyButton text={value} label={`Copy ${value}`} />
    </span>
  );
}

export function CodeBlock({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }) {
  return (
    <div className="code-block">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard. */}
      <pre tabIndex={0}>{text}</pre>
      <CopyButton text={text} label={label} />
    </div>
  );
}

export function JsonBlock({ value }: { readonly value: unknown }) {
  return <CodeBlock text={JSON.stringify(value, null, 2)} label="Copy JSON" />;
}
