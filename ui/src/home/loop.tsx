import { Activity, Boxes, Cable, Database, type LucideIcon, Sigma, Workflow, Zap } from 'lucide-react';
import type { ReactNode } from 'react';
import { Age } from '../kit/age.tsx';
import { Go } from '../kit/link.tsx';
import { Loading } from '../kit/states.tsx';
import { StatusChip } from '../kit/status.tsx';

export type NodeId = 'data' | 'features' | 'pipeline' | 'registry' | 'endpoint' | 'monitor' | 'action';

export interface LoopNode {
  readonly id: NodeId;
  readonly to: string;
  readonly status: string;
  readonly statusDetail?: string | undefined;
  /** What it is about: the one resource there is, or how many. */
  readonly main: string;
  /** The last change in a few words. */
  readonly change: ReactNode;
  /** Wall time of the last change. */
  readonly at: number | null;
  /** Nothing of it is known: the answer has not come, or it was an error. */
  readonly lacks?: 'answer' | 'success' | undefined;
}

const icons: Readonly<Record<NodeId, LucideIcon>> = {
  data: Database,
  features: Sigma,
  pipeline: Workflow,
  registry: Boxes,
  endpoint: Cable,
  monitor: Activity,
  action: Zap,
};

const words: Readonly<Record<NodeId, string>> = {
  data: 'Data',
  features: 'Features',
  pipeline: 'Pipeline',
  registry: 'Registry',
  endpoint: 'Endpoint',
  monitor: 'Monitor',
  action: 'Action',
};

/** The production loop as one picture, from the data to the action that starts it again. */
export function Loop({ nodes }: { readonly nodes: readonly LoopNode[] }) {
  return (
    <div className="loop">
      <ol className="loop-nodes">
        {nodes.map((node) => (
          <li key={node.id} className="loop-cell">
            <LoopBox node={node} />
          </li>
        ))}
      </ol>
      <div className="loop-return" aria-hidden>
        <span>retrain · roll back · promote · call a person</span>
      </div>
    </div>
  );
}

function LoopBox({ node }: { readonly node: LoopNode }) {
  const Icon = icons[node.id];
  return (
    <Go to={node.to} className="loop-box" data-node={node.id}>
      <span className="loop-kind">
        <Icon size={13} aria-hidden />
        {words[node.id]}
      </span>
      {node.lacks === undefined ? (
        <State of={node} />
      ) : node.lacks === 'answer' ? (
        <Loading rows={3} height={20} />
      ) : (
        <span className="loop-change">Not known: the control plane gave no answer.</span>
      )}
    </Go>
  );
}

function State({ of: node }: { readonly of: LoopNode }) {
  return (
    <>
      <span className="loop-main" title={node.main}>
        {node.main}
      </span>
      <StatusChip status={node.status} detail={node.statusDetail} />
      <span className="loop-change">{node.change}</span>
      <span className="loop-age">
        <Age at={node.at} />
      </span>
    </>
  );
}
