import { Filter } from 'lucide-react';
import {
  type FormEvent,
  type KeyboardEvent,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { ProblemError } from '#client';
import { completionAt, type FilterLanguage, positionIn } from './filter-completion.ts';

interface FilterBoxProps {
  readonly value: string;
  readonly language: FilterLanguage;
  /** What is filtered: `Filter runs`. */
  readonly label: string;
  readonly example: string;
  /** What the server said about the value. */
  readonly error: Error | null;
  readonly input: RefObject<HTMLInputElement | null>;
  readonly onChange: (filter: string) => void;
}

/** The filter language, with what may stand at the cursor on offer, and what is wrong shown where it is wrong. */
export function FilterBox({ value, language, label, example, error, input, onChange }: FilterBoxProps) {
  const [text, setText] = useState(value);
  const [cursor, setCursor] = useState(value.length);
  const [marked, setMarked] = useState(-1);
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setText(value), [value]);
  const caret = useRef<number | undefined>(undefined);
  // Before the next key is pressed, or it would be typed into the middle of what was taken.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the caret is placed in the text that was just shown.
  useLayoutEffect(() => {
    if (caret.current !== undefined) input.current?.setSelectionRange(caret.current, caret.current);
    caret.current = undefined;
  }, [text, input]);
  const { start, suggestions } = useMemo(() => completionAt(text, cursor, language), [text, cursor, language]);
  const shown = isOpen ? suggestions : [];

  function take(suggestion: string): void {
    const isWhole = !suggestion.endsWith('(');
    const before = text.slice(0, start) + suggestion + (isWhole ? ' ' : '');
    setText(before + text.slice(cursor).trimStart());
    setMarked(-1);
    setCursor(before.length);
    caret.current = before.length;
  }
  function submit(event: FormEvent): void {
    event.preventDefault();
    setOpen(false);
    onChange(text.trim());
  }
  function onKey(event: KeyboardEvent): void {
    const chosen = shown[marked];
    if (event.key === 'ArrowDown') setMarked(Math.min(shown.length - 1, marked + 1));
    else if (event.key === 'ArrowUp') setMarked(Math.max(-1, marked - 1));
    else if (event.key === 'Escape' && isOpen) setOpen(false);
    else if (event.key === 'Tab' && !event.shiftKey && (chosen ?? shown[0]) && cursor > start)
      take(chosen ?? shown[0] ?? '');
    else if (event.key === 'Enter' && chosen) take(chosen);
    else if (event.key === ' ' && event.ctrlKey) setOpen(true);
    else return;
    event.preventDefault();
  }
  return (
    <form className="filter" onSubmit={submit}>
      <Filter size={13} aria-hidden className="filter-icon" />
      <input
        ref={input}
        className="input filter-input"
        aria-label={label}
        placeholder={example}
        title="Enter searches, Tab completes, / comes here"
        role="combobox"
        aria-expanded={shown.length > 0}
        aria-controls="filter-suggestions"
        aria-activedescendant={marked >= 0 ? `filter-${marked}` : undefined}
        aria-invalid={error !== null}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setCursor(event.currentTarget.selectionStart ?? event.currentTarget.value.length);
          setMarked(-1);
          setOpen(true);
        }}
        onSelect={(event) => setCursor(event.currentTarget.selectionStart ?? 0)}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={onKey}
      />
      {text.trim() === value ? null : (
        <button type="submit" className="button button-main">
          Search
        </button>
      )}
      {value !== '' && text.trim() === value ? (
        <button type="button" className="button button-quiet" onClick={() => onChange('')}>
          Clear
        </button>
      ) : null}
      <div
        className="filter-list"
        id="filter-suggestions"
        role="listbox"
        aria-label="Completions"
        hidden={!shown.length}
      >
        {shown.map((suggestion, index) => (
          <button
            key={suggestion}
            id={`filter-${index}`}
            type="button"
            role="option"
            tabIndex={-1}
            aria-selected={index === marked}
            // The box keeps the focus, so that typing goes on.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => take(suggestion)}
          >
            {suggestion}
          </button>
        ))}
      </div>
      {error && text.trim() === value ? <FilterError filter={value} error={error} /> : null}
    </form>
  );
}

/** The filter once more, with the place that the server could not read marked, and its words below. */
function FilterError({ filter, error }: { readonly filter: string; readonly error: Error }) {
  const message = error instanceof ProblemError ? error.problem.detail : error.message;
  const at = positionIn(message);
  const words = message.replace(/^Invalid filter string: /, '').replace(/ \(position \d+\) in '[\s\S]*$/, '');
  const wrong = at === undefined ? '' : (/^(?:'[^']*'?|[^\s()<>=!,]+|.)/.exec(filter.slice(at))?.[0] ?? ' ');
  return (
    <div className="filter-error" role="alert">
      {at === undefined ? null : (
        <code>
          {filter.slice(0, at)}
          <mark>{wrong}</mark>
          {filter.slice(at + wrong.length)}
        </code>
      )}
      <p>{words}</p>
    </div>
  );
}
