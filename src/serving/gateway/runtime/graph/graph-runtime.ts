import type { Clock } from '#core/clock';
import { KedgeError, messageOf } from '#core/errors';
import type { GraphModel, GraphNode } from '../../../model-declaration.ts';
import { COMBINED, type GraphPlan, planGraph, sourceOf } from '../../../model-graph.ts';
import { gatewayErrors } from '../../errors.ts';
import type { Tensor, TensorSpec } from '../../tensors/tensor.ts';
import type { NodeRun, TensorCall, TensorRuntime } from '../model-runtime.ts';
import { type Member, mean, stack, vote } from './combine.ts';

/** A model that a graph uses. */
export interface GraphPart {
  /** `model@version` */
  readonly revision: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Runs it, after loading it anew where it has left memory. */
  run(call: TensorCall): Promise<Tensor[]>;
}

export interface GraphOptions {
  readonly graph: GraphModel;
  readonly memoryBytes: number;
  readonly partOf: (model: string) => Promise<GraphPart>;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** Runs of one graph at the same time; its parts have limits of their own. */
const CONCURRENCY = 16;

/** The values of one run, by reference; `undefined` for those of a node that was skipped. */
type Values = Map<string, Tensor | undefined>;

/**
 * Models one after the other and beside each other. Nodes that wait for nothing more run at once. A run of the graph is
 * one run of each of its parts, with all the rows that were joined.
 */
export class GraphRuntime implements TensorRuntime {
  readonly kind = 'graph';
  readonly usable = true;
  readonly concurrency = CONCURRENCY;
  readonly rowMs: number;
  readonly memoryBytes: number;
  readonly #options: GraphOptions;
  readonly #plan: GraphPlan;
  readonly #parts: ReadonlyMap<string, GraphPart>;

  /** Loads the parts and checks that they fit together. Throws an `Error` that names the place where they do not. */
  static async open(options: GraphOptions): Promise<GraphRuntime> {
    const { graph, partOf, clock } = options;
    const startedMs = clock.monotonic();
    const models = [...new Set(graph.nodes.flatMap((node) => ('model' in node ? [node.model] : [])))];
    const parts = new Map(await Promise.all(models.map(async (model) => [model, await partOf(model)] as const)));
    const plan = planGraph(graph, (model) => parts.get(model) as GraphPart);
    return new GraphRuntime(options, { plan, parts, rowMs: clock.monotonic() - startedMs });
  }

  private constructor(
    options: GraphOptions,
    found: { readonly plan: GraphPlan; readonly parts: ReadonlyMap<string, GraphPart>; readonly rowMs: number },
  ) {
    this.#options = options;
    this.#plan = found.plan;
    this.#parts = found.parts;
    this.rowMs = found.rowMs;
    this.memoryBytes = options.memoryBytes;
  }

  get inputs(): readonly TensorSpec[] {
    return this.#plan.inputs;
  }

  get outputs(): readonly TensorSpec[] {
    return this.#plan.outputs;
  }

  get maxBatchSize(): number | undefined {
    return this.#options.graph.maxBatchSize;
  }

  async run({ feeds, wanted, trace }: TensorCall): Promise<Tensor[]> {
    const values: Values = new Map(feeds.map((feed) => [feed.name, feed]));
    const running = new Map<string, Promise<void>>();
    for (const node of this.#plan.order) {
      const sources = Object.values('of' in node ? node.of : node.inputs).map((reference) => sourceOf(reference).node);
      const before = sources.flatMap((name) => (name === undefined ? [] : [running.get(name)]));
      const run = Promise.all(before).then(() => this.#node(node, values, trace));
      // Told below, where all are waited for.
      run.catch(() => undefined);
      running.set(node.name, run);
    }
    await Promise.all(running.values());
    return wanted.map((name) => {
      const tensor = values.get(this.#options.graph.outputs[name] ?? '');
      if (!tensor) throw gatewayErrors['model-failed'](`the graph has no value for its output '${name}'`);
      return { ...tensor, name };
    });
  }

  async unload(): Promise<void> {}

  async #node(node: GraphNode, values: Values, trace: NodeRun[] | undefined): Promise<void> {
    const { clock } = this.#options;
    const startedMs = clock.monotonic();
    const done = (revision: string | undefined, error?: string): void =>
      void trace?.push({
        node: node.name,
        ...(revision === undefined ? {} : { revision }),
        us: Math.round((clock.monotonic() - startedMs) * 1_000),
        ...(error === undefined ? {} : { error: error.slice(0, 200) }),
      });
    if ('of' in node) {
      values.set(`${node.name}.${COMBINED}`, combinedOf(node, values));
      return done(undefined);
    }
    const part = this.#parts.get(node.model) as GraphPart;
    try {
      const feeds = part.inputs.map(({ name }) => ({ ...(values.get(node.inputs[name] ?? '') as Tensor), name }));
      const wanted = part.outputs.map(({ name }) => name);
      for (const tensor of await part.run({ feeds, wanted })) values.set(`${node.name}.${tensor.name}`, tensor);
      done(part.revision);
    } catch (error) {
      done(part.revision, messageOf(error));
      if (node.onFailure === 'skip') return;
      if (error instanceof KedgeError) throw error;
      throw gatewayErrors['model-failed'](`node '${node.name}' (${part.revision}): ${messageOf(error).slice(0, 300)}`);
    }
  }
}

function combinedOf(node: Extract<GraphNode, { of: unknown }>, values: Values): Tensor {
  const members = node.of.flatMap((reference, i): Member[] => {
    const tensor = values.get(reference);
    return tensor ? [{ tensor, weight: node.weights?.[i] ?? 1 }] : [];
  });
  const needed = node.combine === 'stack' ? node.of.length : (node.atLeast ?? node.of.length);
  if (members.length < needed) {
    const has = `${members.length} of its ${node.of.length} members answered, it needs ${needed}`;
    throw gatewayErrors['model-failed'](`node '${node.name}': ${has}`);
  }
  const combine = { mean, vote, stack }[node.combine];
  return combine(members, COMBINED);
}
