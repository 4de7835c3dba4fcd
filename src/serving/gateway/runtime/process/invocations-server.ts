import { parsePythonJson } from '../../scoring/frame.ts';
import type { Scalar } from '../../tensors/datatypes.ts';
import { jsonOf } from '../../tensors/encode.ts';
import type { Tensor, TensorInput, TensorSpec } from '../../tensors/tensor.ts';
import { RemoteFailure, type RemoteModel, type RemoteServer } from '../external/remote-server.ts';
import { answersOf } from '../external/remote-tensors.ts';
import { failureOf, type RestConnections } from '../external/rest-server.ts';
import type { TensorCall } from '../model-runtime.ts';

export interface InvocationsOptions {
  readonly connections: RestConnections;
  /** What the model takes and gives, which this protocol cannot tell. */
  readonly model: RemoteModel;
  readonly readyPath: string;
}

type Nested = Scalar | readonly Nested[];

/**
 * A model behind MLflow's `/invocations`. Columns go as `dataframe_split`, other tensors as `inputs`; `predictions` are
 * the only output, or columns or keys by the names of the outputs.
 * https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
 */
export class InvocationsServer implements RemoteServer {
  readonly #options: InvocationsOptions;

  constructor(options: InvocationsOptions) {
    this.#options = options;
  }

  async describe(): Promise<RemoteModel> {
    return this.#options.model;
  }

  async isReady(timeoutMs: number): Promise<boolean> {
    const { connections, readyPath: path } = this.#options;
    return connections.send({ method: 'GET', path, timeoutMs }).then(
      ({ status }) => status === 200,
      () => false,
    );
  }

  async infer({ feeds, wanted }: TensorCall, timeoutMs: number): Promise<Tensor[]> {
    const body = Buffer.from(JSON.stringify(feeds.every(isColumn) ? frameOf(feeds) : inputsOf(feeds)));
    const headers = { 'content-type': 'application/json' };
    const received = await this.#options.connections.send({
      ...{ method: 'POST', path: '/invocations', body, headers, timeoutMs },
    });
    if (received.status !== 200) throw failureOf(received);
    return answersOf(outputsIn(received.body, this.#options.model.outputs), wanted);
  }

  close(): void {
    this.#options.connections.close();
  }
}

function isColumn({ shape }: Tensor): boolean {
  return shape.length === 1 || (shape.length === 2 && shape[1] === 1);
}

function frameOf(feeds: readonly Tensor[]): object {
  const columns = feeds.map(jsonOf);
  const rows = columns[0]?.map((_, row) => columns.map((column) => column[row] ?? null)) ?? [];
  return { dataframe_split: { columns: feeds.map(({ name }) => name), data: rows } };
}

function inputsOf(feeds: readonly Tensor[]): object {
  const [only, ...more] = feeds;
  const nested = (tensor: Tensor): Nested => nestedOf(jsonOf(tensor), tensor.shape);
  if (only && more.length === 0) return { inputs: nested(only) };
  return { inputs: Object.fromEntries(feeds.map((tensor) => [tensor.name, nested(tensor)])) };
}

function nestedOf(values: readonly Scalar[], [count = 0, ...rest]: readonly number[]): Nested {
  if (rest.length === 0) return values;
  const width = values.length / Math.max(1, count);
  return Array.from({ length: count }, (_, i) => nestedOf(values.slice(i * width, (i + 1) * width), rest));
}

function outputsIn(body: Buffer, specs: readonly TensorSpec[]): readonly TensorInput[] {
  let predictions: unknown;
  try {
    ({ predictions } = parsePythonJson(body.toString('utf8')) as { readonly predictions?: unknown });
  } catch {
    throw new RemoteFailure('failed', `the answer is not JSON: ${body.toString('utf8', 0, 100)}`);
  }
  const [only, ...more] = specs;
  if (Array.isArray(predictions)) {
    if (!predictions.every(isRecord)) return only && more.length === 0 ? [tensorOf(only, predictions)] : [];
    return specs.map((spec) =>
      tensorOf(
        spec,
        predictions.map((row) => row[spec.name] ?? null),
      ),
    );
  }
  if (!isRecord(predictions)) throw new RemoteFailure('failed', 'the answer has no predictions');
  const byName = predictions;
  return specs.map((spec) => tensorOf(spec, byName[spec.name]));
}

function tensorOf({ name, datatype, shape: declared }: TensorSpec, data: unknown): TensorInput {
  const shape: number[] = [];
  for (let inner = data; Array.isArray(inner) && shape.length < 8; inner = inner[0]) shape.push(inner.length);
  // One number a row is a column, where the model is declared to give one.
  if (shape.length === 1 && declared.length === 2 && declared[1] === 1) shape.push(1);
  return { name, datatype, shape, data };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
