import { readFile } from 'node:fs/promises';
import type { Clock } from '#core/clock';
import type { Batch, ModelRuntime, ModelShape, RowHolder, RuntimeChoice } from './model-runtime.ts';
import { OnnxSession } from './onnx-session.ts';
import type { ThreadModel } from './thread-protocol.ts';
import { ThreadRuntime } from './thread-runtime.ts';
import { compareScores } from './trees/compare-scores.ts';
import type { Forest } from './trees/forest.ts';
import { readForest } from './trees/read-forest.ts';
import type { TrialThread } from './trial-thread.ts';
import { warmUp } from './warm-up.ts';

/** A model whose row takes longer would delay every other request of the event loop by that much. */
export const INLINE_ROW_MS_MAX = 2;
/** Loading a larger file would itself hold the event loop for too long, so it is not even tried inline. */
export const INLINE_FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Past some two thousand trees ONNX Runtime is the faster one, and reading the file holds the event loop. */
const TREES_FILE_BYTES_MAX = 4 * 1024 * 1024;

export interface LoadRequest {
  readonly path: string;
  readonly fileBytes: number;
  readonly shape: ModelShape;
  readonly choice: RuntimeChoice;
  readonly clock: Clock;
  /** Where a model is tried that may run on the event loop; used with the choices `auto` and `trees`. */
  readonly trial: Pick<TrialThread, 'rowMs'>;
}

/**
 * Loads a model and warms it. `auto` runs it on the event loop when one row takes at most {@link INLINE_ROW_MS_MAX}
 * (handing a row to a thread and back costs more than a small model does), and in a thread of its own otherwise. On the
 * event loop, boosted trees are walked without ONNX Runtime when that gives the same scores sooner.
 */
export async function loadModel(request: LoadRequest): Promise<ModelRuntime> {
  const { path, fileBytes, shape, choice, clock, trial } = request;
  if (choice !== 'inline' && !(await mayRunInline({ choice, fileBytes, trial }, { path, shape })))
    return inThread(request);
  const bytes = choice === 'auto' && fileBytes <= TREES_FILE_BYTES_MAX ? await readFile(path) : undefined;
  const session = new OnnxSession(path, shape);
  try {
    const rowMs = warmUp((batch) => session.run(batch), shape, clock);
    const trees = bytes && readForest(bytes, shape);
    if (trees) {
      const { same, forestRowMs, runtimeRowMs } = await compareScores(trees, (batch) => session.run(batch), clock);
      if (same && forestRowMs <= Math.min(runtimeRowMs, INLINE_ROW_MS_MAX)) {
        session.dispose();
        return new TreesRuntime(trees, { rowMs: forestRowMs, memoryBytes: memoryEstimate(fileBytes) });
      }
    }
    if (choice === 'inline' || rowMs <= INLINE_ROW_MS_MAX) {
      return new InlineRuntime(session, { rowMs, memoryBytes: memoryEstimate(fileBytes) });
    }
  } catch (error) {
    session.dispose();
    throw error;
  }
  session.dispose();
  return inThread(request);
}

/** Whether a row is quick enough for the event loop, which a large file is not even tried for. */
export async function mayRunInline(
  { choice, fileBytes, trial }: Pick<LoadRequest, 'choice' | 'fileBytes' | 'trial'>,
  model: ThreadModel,
): Promise<boolean> {
  if (choice === 'thread' || fileBytes > INLINE_FILE_BYTES_MAX) return false;
  return (await trial.rowMs(model)) <= INLINE_ROW_MS_MAX;
}

const MIB = 1024 * 1024;
/** What an empty thread with the runtime's library takes, beside the model. */
export const THREAD_BYTES = 32 * MIB;

/** Twice the file (its graph and its compiled form), because the runtime does not tell what it uses. */
export function memoryEstimate(fileBytes: number): number {
  return 2 * fileBytes + MIB;
}

function inThread({ path, shape, fileBytes }: LoadRequest): Promise<ModelRuntime> {
  return ThreadRuntime.start({ path, shape }, memoryEstimate(fileBytes) + THREAD_BYTES);
}

interface Engine {
  run(batch: Batch): Float32Array;
  dispose(): void;
}

/** A model that holds the event loop while it answers. */
class InlineRuntime implements ModelRuntime {
  readonly kind: 'trees' | 'inline' = 'inline';
  readonly usable = true;
  readonly concurrency = 1;
  readonly memoryBytes: number;
  readonly rowMs: number;
  readonly #engine: Engine;

  constructor(engine: Engine, { memoryBytes, rowMs }: Pick<ModelRuntime, 'memoryBytes' | 'rowMs'>) {
    this.#engine = engine;
    this.rowMs = rowMs;
    this.memoryBytes = memoryBytes;
  }

  infer(batch: Batch): Float32Array {
    return this.#engine.run(batch);
  }

  async unload(): Promise<void> {
    this.#engine.dispose();
  }
}

class TreesRuntime extends InlineRuntime {
  override readonly kind = 'trees';
  readonly #trees: Forest;

  constructor(trees: Forest, measured: Pick<ModelRuntime, 'memoryBytes' | 'rowMs'>) {
    super(trees, measured);
    this.#trees = trees;
  }

  inferRows(rows: readonly RowHolder[]): Float32Array {
    return this.#trees.runRows(rows);
  }
}
