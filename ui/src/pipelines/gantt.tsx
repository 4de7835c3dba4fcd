import type { RunDetail, StepView } from '#pipelines/contract';
import { formatDurationShort } from '../data/format.ts';
import { useNow } from '../data/use-now.ts';
import { lookOf } from '../kit/status.tsx';
import { progressText } from './run-words.ts';

interface GanttProps {
  readonly run: RunDetail;
  readonly chosen: string | undefined;
  readonly onChoose: (step: string) => void;
}

const TICKS = 4;

/** The steps in the order in which they began, each as a bar from its start to its end. */
export function Gantt({ run, chosen, onChoose }: GanttProps) {
  const now = useNow();
  const start = run.startedAt ?? run.createdAt;
  const end = Math.max(run.finishedAt ?? now, start + 1);
  const steps = run.steps.toSorted((a, b) => (a.startedAt ?? Infinity) - (b.startedAt ?? Infinity));
  return (
    <div className="gantt">
      <div className="gantt-row gantt-scale" aria-hidden>
        <span />
        <span className="gantt-track">
          {Array.from({ length: TICKS + 1 }, (_, tick) => {
            const share = tick / TICKS;
            return (
              <span
                key={share}
                className="gantt-tick"
                style={{ left: `${share * 100}%` }}
                data-last={tick === TICKS || undefined}
              >
                {formatDurationShort(share * (end - start))}
              </span>
            );
          })}
        </span>
        <span className="num">took</span>
      </div>
      {steps.map((step) => (
        <GanttRow
          key={step.step}
          step={step}
          span={{ start, end, now }}
          isChosen={step.step === chosen}
          onChoose={onChoose}
        />
      ))}
    </div>
  );
}

interface GanttRowProps {
  readonly step: StepView;
  readonly span: { readonly start: number; readonly end: number; readonly now: number };
  readonly isChosen: boolean;
  readonly onChoose: (step: string) => void;
}

function GanttRow({ step, span, isChosen, onChoose }: GanttRowProps) {
  const { tone, icon: Icon } = lookOf(step.status);
  const length = span.end - span.start;
  const at = (time: number) => `${Math.min(100, Math.max(0, (100 * (time - span.start)) / length))}%`;
  const finished = step.finishedAt ?? span.now;
  const took = step.startedAt === null ? null : Math.max(0, finished - step.startedAt);
  return (
    <button
      type="button"
      className="gantt-row"
      aria-pressed={isChosen}
      onClick={() => onChoose(step.step)}
      title={`${step.step}: ${step.status}`}
    >
      <span className="gantt-name" data-tone={tone}>
        <Icon size={13} aria-hidden />
        {step.step}
        <span className="visually-hidden">{step.status}</span>
      </span>
      <span className="gantt-track">
        {step.startedAt === null ? (
          <span className="gantt-note" style={{ left: 0 }}>
            {progressText(step)}
          </span>
        ) : (
          <span
            className="gantt-bar"
            data-tone={tone}
            data-status={step.status}
            style={{ left: at(step.startedAt), width: `max(3px, calc(${at(finished)} - ${at(step.startedAt)}))` }}
          >
            {step.status === 'running' && step.progress && step.progress.of > 0 ? (
              <span className="gantt-done" style={{ width: `${(100 * step.progress.n) / step.progress.of}%` }} />
            ) : null}
          </span>
        )}
      </span>
      <span className="num">
        {took === null ? '–' : step.status === 'cached' ? 'cached' : formatDurationShort(took)}
      </span>
    </button>
  );
}
