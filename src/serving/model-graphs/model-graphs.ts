import { type FieldIssue, KedgeError, messageOf } from '#core/errors';
import { canonicalJson } from '#core/json';
import type { Context } from '#platform/db';
import type { ModelVersion } from '#registry';
import { type PlannedGraph, plannedGraph } from '../declared-arm.ts';
import type { ServingDeps } from '../deps.ts';
import { DECLARATION_BYTES_MAX, DECLARATION_FILE, type GraphModel } from '../model-declaration.ts';
import { type ModelGraphSpec, modelGraphSpec } from './graph-spec.ts';

export const MODEL_GRAPH = 'model-graph';

type Signature = NonNullable<ModelVersion['signature']>;

/** Graphs of models that are declared as resources: verified before they are applied, then registered as versions. */
export class ModelGraphs {
  readonly #deps: ServingDeps;

  constructor(deps: ServingDeps) {
    this.#deps = deps;
  }

  /**
   * What is wrong with a declared graph, at its place: a name that is not there, a cycle, a version that is not
   * registered, and an input of another datatype or shape than what it is given.
   */
  async verify({ spec }: { readonly spec: unknown }): Promise<readonly FieldIssue[]> {
    const declared = modelGraphSpec.parse(spec);
    try {
      await this.#signatureOf(declared, await plannedGraph(this.#deps, graphOf(declared)));
      const bytes = contentOf(declared).length;
      if (bytes > DECLARATION_BYTES_MAX) throw new Error(`the declaration has ${bytes} bytes, the limit is 1 MiB`);
      return [];
    } catch (error) {
      if (error instanceof KedgeError && error.status >= 500) throw error;
      return [issueOf(messageOf(error))];
    }
  }

  /**
   * Registers what is declared now as a version of its model; the version there is, if it has the same content. What
   * came of it is the status of the resource.
   */
  async register(context: Context, name: string): Promise<void> {
    const { db, resources, logger } = this.#deps;
    const found = await resources.find(MODEL_GRAPH, name);
    if (!found) return;
    const status = await this.#registered(context, name, modelGraphSpec.parse(found.spec)).catch((error) => {
      if (error instanceof KedgeError && error.status >= 500) throw error;
      logger.warn({ graph: name }, `the graph is not registered: ${messageOf(error)}`);
      return { ...found.status, error: messageOf(error).slice(0, 2_000) };
    });
    await db.maintain((tx) => resources.setStatus(tx, { kind: MODEL_GRAPH, name }, status));
  }

  async #registered(context: Context, name: string, spec: ModelGraphSpec): Promise<Record<string, unknown>> {
    const { blobs, versions } = this.#deps;
    if (!blobs) throw new Error('there is no blob store to keep the declaration in');
    const planned = await plannedGraph(this.#deps, graphOf(spec));
    const signature = await this.#signatureOf(spec, planned);
    const { digest, bytes } = await blobs.put(contentOf(spec));
    const { model = name } = spec;
    const { version } = await versions.registerVersion(context, {
      ...{ model, signature, artifacts: [{ path: DECLARATION_FILE, digest, bytes }] },
      cause: { kind: 'event', id: `${MODEL_GRAPH}/${name}`, depth: 1 },
    });
    const parts = Object.keys(planned.parts).sort();
    return { revision: `${model}@${version}`, model, version, digest, parts };
  }

  /** Null where the graph is called by its tensors. Throws an `Error` where it does not take the columns it says. */
  async #signatureOf({ nodes, columns }: ModelGraphSpec, { plan }: PlannedGraph): Promise<Signature | null> {
    if (!columns) return null;
    const node = nodes.find(({ name }) => name === columns.of);
    if (!node || !('model' in node)) throw new Error(`columns.of: there is no node '${columns.of}' that is a model`);
    const [, model = '', version = ''] = /^(.+)@(\d+)$/.exec(node.model) ?? [];
    const { signature } = await this.#deps.versions.versionWithFile(model, Number(version));
    if (signature.inputs.length === 0) throw new Error(`columns.of: ${node.model} takes tensors, not columns`);
    const count = (kind: string): number => signature.inputs.filter((input) => input.kind === kind).length;
    const taken = { features: ['FP32', count('numeric')], categories: ['BYTES', count('category')] } as const;
    for (const { name, datatype, shape } of plan.inputs) {
      const [expected, width] = taken[name as keyof typeof taken] ?? [];
      if (expected === datatype && shape.length === 2 && (shape[1] === width || shape[1] === -1)) continue;
      const wanted = expected ? `${expected} [-1,${width}], as ${node.model} takes it` : "'features' or 'categories'";
      throw new Error(`columns: the graph takes '${name}' as ${datatype} [${shape}]; expected ${wanted}`);
    }
    return { inputs: signature.inputs, output: columns.output };
  }
}

function graphOf({ model: _, columns: _columns, ...graph }: ModelGraphSpec): GraphModel {
  return { runtime: 'graph', ...graph };
}

/** The same declaration is the same content, whatever the order of its fields. */
function contentOf(spec: ModelGraphSpec): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(canonicalJson(graphOf(spec)));
}

/** Messages of graphs begin with their place, as `nodes.trees.inputs.x: is missing`. */
function issueOf(message: string): FieldIssue {
  const [, path = '', text = message] = /^((?:nodes|outputs|columns|inputs)[^:\s]*): (.*)$/s.exec(message) ?? [];
  return { path, message: text };
}
