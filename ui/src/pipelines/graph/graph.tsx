import { Focus, Layers2 } from 'lucide-react';
import { type KeyboardEvent, lazy, Suspense, useMemo, useState } from 'react';
import type { StepView } from '#pipelines/contract';
import { useUrl } from '../../data/use-url.ts';
import { Loading } from '../../kit/states.tsx';
import { folded, groupHolding, groupName, lineageOf, type ShownNode } from './fold.ts';
import { planOf, shapeOf } from './plan.ts';

/** The canvas is a chunk of its own: pages that show no graph do not load it. */
const Canvas = lazy(() => import('./graph-canvas.tsx').then(({ GraphCanvas }) => ({ default: GraphCanvas })));

/** Steps from which on finding and folding are of use. */
const MANY = 8;
/** Of what is shown until the canvas is there. */
const ROW_HEIGHT = 30;

interface GraphProps {
  readonly steps: readonly StepView[];
  readonly chosen: string | undefined;
  readonly onChoose: (step: string) => void;
}

/**
 * Which step needs which. The address keeps what is open of the steps that are alike (`open`, `*` for all), and whether
 * only the chosen step with what it needs and what needs it is shown (`focus`).
 */
export function Graph({ steps, chosen, onChoose }: GraphProps) {
  const url = useUrl();
  const [text, setText] = useState('');
  const isFocused = url.get('focus') === '1' && chosen !== undefined;
  const openText = url.get('open') ?? '';
  const lineage = useMemo(() => (chosen === undefined ? new Map() : lineageOf(steps, chosen)), [steps, chosen]);
  const seen = useMemo(
    () => (isFocused ? steps.filter(({ step }) => lineage.has(step)) : steps),
    [steps, lineage, isFocused],
  );
  const nodes = useMemo(() => {
    const open = new Set(openText === '*' ? seen.map(({ step }) => step) : openText.split(','));
    return folded(seen, open);
  }, [seen, openText]);
  // Known before the canvas is there, so that nothing below it moves when it comes.
  const shape = shapeOf(nodes);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the plan depends on nothing else of the nodes.
  const plan = useMemo(() => planOf(nodes), [shape]);
  const wanted = text.trim().toLowerCase();
  const found = useMemo(
    () => new Set(wanted ? steps.flatMap(({ step }) => (step.toLowerCase().includes(wanted) ? step : [])) : []),
    [steps, wanted],
  );
  const open = (group: string | undefined) => [...openText.split(',').filter(Boolean), group].join(',');
  function press(node: ShownNode): void {
    const group = groupName(node);
    if (group === undefined) onChoose(node.id);
    else url.set({ open: open(group) });
  }
  /** Enter goes from one to the next, and opens what holds it. */
  function onKeyDown(event: KeyboardEvent): void {
    if (event.key !== 'Enter' || found.size === 0) return;
    const names = [...found];
    const next = names[(names.indexOf(chosen ?? '') + 1) % names.length] ?? '';
    const isHidden = nodes.some((node) => node.steps.length > 1 && node.steps.some(({ step }) => step === next));
    if (isHidden) url.set({ open: open(groupHolding(seen, next)) });
    onChoose(next);
  }
  const hidden = seen.length - nodes.length;
  return (
    <>
      {steps.length >= MANY ? (
        <div className="toolbar">
          <input
            className="input"
            type="search"
            aria-label="Find a step"
            placeholder="Find a step"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            onKeyDown={onKeyDown}
          />
          {wanted ? <span className="section-note">{`${found.size} found, Enter goes to the next`}</span> : null}
          <button
            type="button"
            className="button"
            aria-pressed={isFocused}
            disabled={chosen === undefined}
            title="Only the chosen step, what it needs and what needs it"
            onClick={() => url.set({ focus: isFocused ? undefined : 1 })}
          >
            <Focus size={13} aria-hidden />
            {isFocused ? 'Show all steps' : `Only around ${chosen}`}
          </button>
          {hidden > 0 || openText ? (
            <button
              type="button"
              className="button"
              aria-pressed={openText === '*'}
              onClick={() => url.set({ open: hidden > 0 ? '*' : undefined })}
            >
              <Layers2 size={13} aria-hidden />
              {hidden > 0 ? 'Show each step' : 'Put alike steps together'}
            </button>
          ) : null}
          <span className="section-note">
            {hidden > 0 ? `${seen.length} steps as ${nodes.length}: those alike are together` : `${seen.length} steps`}
          </span>
        </div>
      ) : null}
      <div className="graph" style={{ height: plan.height }}>
        <Suspense fallback={<Loading rows={Math.floor(plan.height / ROW_HEIGHT)} height={ROW_HEIGHT} />}>
          <Canvas nodes={nodes} plan={plan} chosen={chosen} found={found} relations={lineage} onPress={press} />
        </Suspense>
      </div>
    </>
  );
}
