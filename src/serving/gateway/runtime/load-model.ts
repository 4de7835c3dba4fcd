import type { Clock } from '#core/clock';
import type { Batch, ModelRuntime, ModelShape, RuntimeChoice } from './model-runtime.ts';
import { OnnxSession } from './onnx-session.ts';
import { ThreadRuntime } from './thread-runtime.ts';
import { warmUp } from './warm-up.ts';

/** A model whose row takes longer would delay every other request of the event loop by that much. */
export const INLINE_ROW_MS_MAX = 2;
/** Loading a larger file would itself hold the event loop for too long, so it is not even tried inline. */
const INLINE_FILE_BYTES_MAX = 16 * 1024 * 1024;

export interface LoadRequest {
  readonly path: string;
  readonly fileBytes: number;
  readonly shape: ModelShape;
  readonly choice: RuntimeChoice;
  readonly clock: Clock;
}

/**
 * Loads a model and warms it. `auto` runs it on the event loop when one row takes at most {@link INLINE_ROW_MS_MAX}
 * (handing a row to a thread and back costs more than a small model does), and in a thread of its own otherwise.
 */
export async function loadModel(request: LoadRequest): Promise<ModelRuntime> {
  const { path, fileBytes, shape, choice, clock } = request;
  if (choice === 'thread' || (choice === 'auto' && fileBytes > INLINE_FILE_BYTES_MAX)) return inThread(request);
  const session = new OnnxSession(path, shape);
  let rowMs: number;
  try {
    rowMs = warmUp((batch) => session.run(batch), shape, clock);
  } catch (error) {
    session.dispose();
    throw error;
  }
  if (choice === 'inline' || rowMs <= INLINE_ROW_MS_MAX)
    return new InlineRuntime(session, rowMs, memoryEstimate(fileBytes));
  session.dispose();
  return inThread(request);
}

const MIB = 1024 * 1024;
/** What an empty thread with the runtime's library takes, beside the model. */
const THREAD_BYTES = 32 * MIB;

/** Twice the file (its graph and its compiled form), because the runtime does not tell what it uses. */
export function memoryEstimate(fileBytes: number): number {
  return 2 * fileBytes + MIB;
}

function inThread({ path, shape, fileBytes }: LoadRequest): Promise<ModelRuntime> {
  return ThreadRuntime.start({ path, shape }, memoryEstimate(fileBytes) + THREAD_BYTES);
}

class InlineRuntime implements ModelRuntime {
  readonly kind = 'inline';
  readonly usable = true;
  readonly memoryBytes: number;
  readonly rowMs: number;
  readonly #session: OnnxSession;

  constructor(session: OnnxSession, rowMs: number, memoryBytes: number) {
    this.#session = session;
    this.rowMs = rowMs;
    this.memoryBytes = memoryBytes;
  }

  infer(batch: Batch): Float32Array {
    return this.#session.run(batch);
  }

  async unload(): Promise<void> {
    this.#session.dispose();
  }
}
