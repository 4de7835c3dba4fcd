import { Layers2 } from 'lucide-react';
import type { StepView } from '#pipelines/contract';
import { formatDurationShort } from '../../data/format.ts';
import { lookOf, type Tone } from '../../kit/status.tsx';
import type { ShownNode } from './fold.ts';

export interface NodeData extends Record<string, unknown> {
  readonly node: ShownNode;
  readonly isChosen: boolean;
  readonly isFound: boolean;
  readonly relation: 'up' | 'self' | 'down' | 'none' | undefined;
  readonly now: number;
  readonly onPress: (node: ShownNode) => void;
}

/** In the order in which they are worth attention. */
const ORDER = ['failed', 'running', 'waiting', 'queued', 'cancelled', 'skipped', 'cached', 'succeeded'] as const;

/** The status that stands for all of a node: the one most worth attention. */
export function statusOf({ steps }: ShownNode): string {
  return ORDER.find((status) => steps.some((step) => step.status === status)) ?? 'queued';
}

export function toneOf(node: ShownNode): Tone {
  return lookOf(statusOf(node)).tone;
}

/** A step, or several that are alike, as a button that chooses or opens it. */
export function StepNode({ data }: { readonly data: NodeData }) {
  const { node, isChosen, isFound, relation, now, onPress } = data;
  const status = statusOf(node);
  const { icon: Icon, tone } = lookOf(status);
  const [only] = node.steps;
  const counts = countsOf(node);
  const isGroup = node.steps.length > 1;
  const words = isGroup
    ? `${node.label} ${node.steps.length} steps: ${counts.map(({ status: of, count }) => `${count} ${of}`).join(', ')}`
    : `${node.label}: ${status}${counts.length > 0 ? `, ${sideText(node, counts, now)} units done` : ''}`;
  return (
    <button
      type="button"
      className="graph-node"
      tabIndex={isChosen ? 0 : -1}
      data-id={node.id}
      data-tone={tone}
      data-status={status}
      data-group={isGroup || undefined}
      data-found={isFound || undefined}
      data-relation={relation}
      aria-pressed={isChosen}
      aria-label={words}
      title={isGroup ? `${words}. Press to show each` : words}
      onClick={() => onPress(node)}
    >
      {isGroup ? <Layers2 size={13} aria-hidden /> : <Icon size={13} aria-hidden />}
      <span className="graph-name">{node.label}</span>
      <span className="graph-side">{only && !isGroup ? sideText(node, counts, now) : `× ${node.steps.length}`}</span>
      {counts.length > 0 ? (
        <span className="graph-share" aria-hidden>
          {counts.map(({ status: of, count }) => (
            <i key={of} data-status={of} data-tone={lookOf(of).tone} style={{ flexGrow: count }} />
          ))}
        </span>
      ) : null}
    </button>
  );
}

interface Count {
  readonly status: string;
  readonly count: number;
}

/** How many of its steps, or of the units of its only step, are in which state; empty for a step without units. */
function countsOf({ steps }: ShownNode): readonly Count[] {
  const [only] = steps;
  if (steps.length === 1 && only) {
    if (!only.units) return [];
    const units: Readonly<Record<string, number>> = only.units;
    return ORDER.map((status) => ({ status, count: units[status] ?? 0 })).filter(({ count }) => count > 0);
  }
  const counted = ORDER.map((status) => ({ status, count: steps.filter((step) => step.status === status).length }));
  return counted.filter(({ count }) => count > 0);
}

function sideText({ steps }: ShownNode, counts: readonly Count[], now: number): string {
  const [step] = steps;
  if (!step) return '';
  if (counts.length > 0) {
    const all = counts.reduce((sum, { count }) => sum + count, 0);
    const left = counts.filter(({ status }) => status === 'queued' || status === 'running');
    return `${all - left.reduce((sum, { count }) => sum + count, 0)}/${all}`;
  }
  if (step.status === 'running' && step.progress && step.progress.of > 0) {
    return `${Math.floor((100 * step.progress.n) / step.progress.of)} %`;
  }
  return tookText(step, now);
}

function tookText({ status, startedAt, finishedAt }: StepView, now: number): string {
  if (startedAt === null || status === 'cached' || status === 'skipped') return '';
  return formatDurationShort(Math.max(0, (finishedAt ?? now) - startedAt));
}
