import { useUrl } from '../data/use-url.ts';
import { Go } from './link.tsx';

interface Tab {
  readonly id: string;
  readonly label: string;
  readonly count?: number | undefined;
}

interface TabBarProps {
  readonly tabs: readonly Tab[];
  readonly current: string;
  /** What the other tabs do not understand and therefore leave behind. */
  readonly drop?: readonly string[];
}

/** Tabs are addresses. The first one is the view without `tab`. */
export function TabBar({ tabs, current, drop = [] }: TabBarProps) {
  const url = useUrl();
  const dropped = Object.fromEntries(drop.map((name) => [name, undefined]));
  return (
    <nav className="tabs" aria-label="Views">
      {tabs.map((tab, index) => (
        <Go
          key={tab.id}
          className="tab"
          to={url.href({ ...dropped, tab: index === 0 ? undefined : tab.id })}
          aria-current={tab.id === current ? 'page' : undefined}
        >
          {tab.label}
          {tab.count === undefined ? null : <span className="tab-count">{tab.count}</span>}
        </Go>
      ))}
    </nav>
  );
}

/** The tab that the address names, or the first. */
export function useTab<const Id extends string>(ids: readonly [Id, ...Id[]]): Id {
  const named = useUrl().get('tab');
  return ids.find((id) => id === named) ?? ids[0];
}

interface ChoiceProps<Value extends string> {
  readonly label: string;
  readonly options: readonly (readonly [value: Value, label: string])[];
  readonly value: Value;
  readonly onChange: (value: Value) => void;
}

export function Choice<Value extends string>({ label, options, value, onChange }: ChoiceProps<Value>) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would bring a legend and a box of its own.
    <div className="choice" role="group" aria-label={label}>
      {options.map(([option, text]) => (
        <button key={option} type="button" aria-pressed={option === value} onClick={() => onChange(option)}>
          {text}
        </button>
      ))}
    </div>
  );
}
