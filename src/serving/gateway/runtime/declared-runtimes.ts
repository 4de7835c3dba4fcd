import { open, readFile } from 'node:fs/promises';
import type { System } from '#core/system';
import { formatBytes } from '#core/units';
import type { Logger } from '#platform/observe';
import type { Executor } from '#ports/executor';
import {
  DECLARATION_BYTES_MAX,
  DECLARATION_FILE,
  type ExternalModel,
  type ModelDeclaration,
  type ProcessModel,
  parseDeclaration,
} from '../../model-declaration.ts';
import { EXTERNAL_BYTES, ExternalRuntime } from './external/external-runtime.ts';
import { GrpcRemote } from './external/grpc-remote.ts';
import type { RemoteServer } from './external/remote-server.ts';
import { RestServer } from './external/rest-server.ts';
import { type GraphPart, GraphRuntime } from './graph/graph-runtime.ts';
import type { ModelColumns, TensorRuntime } from './model-runtime.ts';
import { ProcessRuntime } from './process/process-runtime.ts';

export interface DeclaredOptions {
  readonly system: System;
  readonly logger: Logger;
  /** Origins of servers that may run models; `*` is any. */
  readonly servers: readonly string[];
  /** Whether processes are started: never, only kept apart from the machine, or as far apart as it allows. */
  readonly processes: ProcessPolicy;
  readonly executor?: Executor | undefined;
}

export type ProcessPolicy = 'off' | 'isolated' | 'any';

/** What a declaration is about. */
export interface DeclaredFile {
  /** The folder with the files of the version. */
  readonly folder: string;
  /** Of a model that is called by its columns. */
  readonly columns?: { readonly inputs: ModelColumns; readonly output: string } | undefined;
  /** Finds and loads a part of a graph. */
  readonly partOf: (model: string) => Promise<GraphPart>;
}

/**
 * Opens models that are declared instead of given as a file. Whoever registers a version writes its declaration, so the
 * gateway's own settings say what one may reach.
 */
export class DeclaredRuntimes {
  readonly #options: DeclaredOptions;

  constructor(options: DeclaredOptions) {
    this.#options = options;
  }

  /** Throws an `Error` when the model cannot be run, or is not allowed here. */
  async open(declaration: ModelDeclaration, file: DeclaredFile): Promise<TensorRuntime> {
    switch (declaration.runtime) {
      case 'external':
        return this.#openExternal(declaration);
      case 'process':
        return this.#openProcess(declaration, file);
      case 'graph':
        return GraphRuntime.open({
          graph: declaration,
          memoryBytes: EXTERNAL_BYTES,
          partOf: file.partOf,
          clock: this.#options.system.clock,
        });
    }
  }

  async #openProcess(declaration: ProcessModel, { folder, columns }: DeclaredFile): Promise<TensorRuntime> {
    const { system, logger, processes, executor } = this.#options;
    if (processes === 'off' || !executor) {
      throw new Error('the gateway starts no processes for models: KEDGE_MODEL_PROCESSES is off');
    }
    return ProcessRuntime.open({
      ...{ declaration, folder, columns, executor, system, logger },
      isolated: processes === 'isolated',
    });
  }

  async #openExternal(declaration: ExternalModel): Promise<TensorRuntime> {
    const { system, logger, servers } = this.#options;
    const { clock, random } = system;
    const { model, version, tensors, connections } = declaration;
    const url = declaration.url.replace(/\/$/, '');
    if (!servers.includes('*') && !servers.includes(url)) {
      throw new Error(`the gateway may not call ${url}: KEDGE_MODEL_SERVERS does not name it`);
    }
    const to = { url, model, version, connections, clock };
    const server: RemoteServer = url.startsWith('grpc')
      ? await GrpcRemote.open(to)
      : new RestServer({ ...to, tensors });
    return ExternalRuntime.open({
      ...declaration,
      ...{ server, clock, random, logger },
      what: `model '${model}'${version === undefined ? '' : `, version ${version},`} of ${url}`,
      kind: 'external',
      memoryBytes: EXTERNAL_BYTES,
    });
  }
}

/** What a declared model is reckoned to take of the memory for models. */
export function declaredBytes(declaration: ModelDeclaration): number {
  return declaration.runtime === 'process' ? declaration.memoryBytes : EXTERNAL_BYTES;
}

const BRACE = 0x7b;

/** The declaration that a model file is; `undefined` for an ONNX file, which never begins with a brace. */
export async function readDeclaration(path: string, fileBytes: number): Promise<ModelDeclaration | undefined> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1), 0, 1, 0);
    if (bytesRead === 0 || buffer[0] !== BRACE) return undefined;
  } finally {
    await file.close();
  }
  if (fileBytes > DECLARATION_BYTES_MAX) {
    throw new Error(`${DECLARATION_FILE} is larger than ${formatBytes(DECLARATION_BYTES_MAX)}`);
  }
  return parseDeclaration(await readFile(path, 'utf8'));
}
