import { gatewayErrors } from '../errors.ts';

/** A model that others push out of memory as often as it is loaded is not to be had. */
const LOADS_MAX = 10;

/**
 * Uses a model in the turn in which it is in memory, and loads it first where it is not. Throws
 * `gateway/model-unavailable` when it has left memory again each time.
 */
export async function whenLoaded<Runtime, Answer>({
  ready,
  load,
  use,
}: {
  readonly ready: () => Runtime | undefined;
  readonly load: () => Promise<void>;
  readonly use: (runtime: Runtime) => Answer | Promise<Answer>;
}): Promise<Answer> {
  for (let loads = 0; loads <= LOADS_MAX; loads++) {
    const runtime = ready();
    if (runtime) return await use(runtime);
    if (loads < LOADS_MAX) await load();
  }
  throw gatewayErrors['model-unavailable'](
    `loaded ${LOADS_MAX} times, and others had pushed it out of memory each time; raise KEDGE_MODEL_MEMORY_BYTES`,
  );
}
