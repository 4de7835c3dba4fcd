import type { System } from '#core/system';
import type { Logger } from '#platform/observe';
import type { Executor } from '#ports/executor';
import type { ProcessModel } from '../../../model-declaration.ts';
import type { Tensor, TensorSpec } from '../../tensors/tensor.ts';
import { ExternalRuntime } from '../external/external-runtime.ts';
import type { RemoteModel, RemoteServer } from '../external/remote-server.ts';
import { RestConnections, RestServer } from '../external/rest-server.ts';
import type { ModelColumns, TensorCall, TensorRuntime } from '../model-runtime.ts';
import { InvocationsServer } from './invocations-server.ts';
import { ModelProcess } from './model-process.ts';

export interface ProcessRuntimeOptions {
  readonly declaration: ProcessModel;
  /** The folder with the files of the version. */
  readonly folder: string;
  /** Of a model that is called by its columns. */
  readonly columns?: { readonly inputs: ModelColumns; readonly output: string } | undefined;
  readonly executor: Executor;
  readonly isolated: boolean;
  readonly system: System;
  readonly logger: Logger;
}

/** After it has ended too often, it is left alone for so long. */
const HOLD_MS = 60_000;
const READY_MS = 2_000;

/** A model that a process of its own runs: started when it is loaded, ended when it is unloaded. */
export class ProcessRuntime implements TensorRuntime {
  readonly kind = 'process';
  readonly #remote: ExternalRuntime;
  readonly #process: ModelProcess;
  readonly #system: System;
  #stoppedMs: number | undefined;

  static async open(options: ProcessRuntimeOptions): Promise<ProcessRuntime> {
    const { declaration, system, logger } = options;
    const { clock, random } = system;
    const what = `the process '${declaration.command[0]?.slice(0, 100)}'`;
    const process = await ModelProcess.start({ ...options, what }, async (socket) => {
      const server = serverAt(socket, options);
      const ready = await server.isReady(READY_MS);
      server.close();
      return ready;
    });
    try {
      const remote = await ExternalRuntime.open({
        ...declaration,
        ...{ what, clock, random, logger, kind: 'process' },
        server: serverAt(process.socket, options),
        explain: () => process.failure,
      });
      return new ProcessRuntime(remote, process, system);
    } catch (error) {
      await process.stop();
      throw error;
    }
  }

  private constructor(remote: ExternalRuntime, process: ModelProcess, system: System) {
    this.#remote = remote;
    this.#process = process;
    this.#system = system;
  }

  /** False a while after it was given up, so that whoever asks then has it started anew. */
  get usable(): boolean {
    if (!this.#process.stopped) return this.#remote.usable;
    const now = this.#system.clock.monotonic();
    this.#stoppedMs ??= now;
    return now - this.#stoppedMs < HOLD_MS;
  }

  get memoryBytes(): number {
    return this.#remote.memoryBytes;
  }

  get concurrency(): number {
    return this.#remote.concurrency;
  }

  get rowMs(): number {
    return this.#remote.rowMs;
  }

  get inputs(): readonly TensorSpec[] {
    return this.#remote.inputs;
  }

  get outputs(): readonly TensorSpec[] {
    return this.#remote.outputs;
  }

  get maxBatchSize(): number | undefined {
    return this.#remote.maxBatchSize;
  }

  run(call: TensorCall): Promise<Tensor[]> {
    return this.#remote.run(call);
  }

  async unload(): Promise<void> {
    await this.#remote.unload();
    await this.#process.stop();
  }
}

function serverAt(socketPath: string, { declaration, columns, system }: ProcessRuntimeOptions): RemoteServer {
  const { protocol, model, version, connections, ready } = declaration;
  const to = { url: 'http://localhost', socketPath, connections, clock: system.clock };
  if (protocol === 'oip') return new RestServer({ ...to, model, version, tensors: 'auto', readyPath: ready });
  return new InvocationsServer({
    connections: new RestConnections(to),
    model: declaration.tensors ?? modelOf(columns),
    readyPath: ready ?? '/ping',
  });
}

/** What a model of columns takes over MLflow's protocol: a column each, in double precision as its frames have. */
function modelOf(columns: ProcessRuntimeOptions['columns']): RemoteModel {
  if (!columns) throw new Error('model.json: tensors: has to say what the model takes and gives');
  const { inputs, output } = columns;
  return {
    inputs: [
      ...inputs.numeric.map((name) => ({ name, datatype: 'FP64' as const, shape: [-1, 1] })),
      ...inputs.categories.map((name) => ({ name, datatype: 'BYTES' as const, shape: [-1, 1] })),
    ],
    outputs: [{ name: output, datatype: 'FP64', shape: [-1, -1] }],
  };
}
