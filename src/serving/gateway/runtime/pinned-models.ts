import { formatBytes } from '#core/units';

/** The models that are to stay in memory, whatever else wants their room, by who asks for that. */
export class PinnedModels {
  readonly #by = new Map<string, ReadonlySet<string>>();

  /** In place of those that `owner` had pinned before. */
  pin(owner: string, keys: Iterable<string>): void {
    this.#by.set(owner, new Set(keys));
  }

  has(key: string): boolean {
    for (const keys of this.#by.values()) if (keys.has(key)) return true;
    return false;
  }

  /** Why there is no room for a model, when nothing is left that could leave. */
  noRoomFor(
    key: string,
    {
      bytes,
      bytesMax,
      pinnedBytes,
    }: { readonly bytes: number; readonly bytesMax: number; readonly pinnedBytes: number },
  ): string {
    const [needed, whole, held] = [bytes, bytesMax, pinnedBytes].map(formatBytes);
    const what = `${whole} for models (KEDGE_MODEL_MEMORY_BYTES)`;
    if (pinnedBytes === 0) return `it needs about ${needed} of the ${what}, and the rest is in use`;
    if (!this.has(key)) {
      return `it needs about ${needed} of the ${what}, of which pinned models hold ${held}: pin fewer, or give more`;
    }
    return `pinned models would exceed the ${what}: it needs about ${needed} beside ${held}: pin fewer, or give more`;
  }
}
