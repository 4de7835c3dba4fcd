import { registerHooks } from 'node:module';
import { assert } from '#core/assert';
import { MUTATIONS } from './mutations.ts';

const SOURCE = new URL('../../src/', import.meta.url).href;

/** Breaks the product in this process: modules that are loaded from now on are as the mutation has them. */
export function applyMutation(name: string): void {
  const mutation = MUTATIONS.find((item) => item.name === name);
  assert(mutation, `there is no mutation '${name}'`);
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const patches = mutation.patches.filter(({ file }) => url === SOURCE + file);
      if (patches.length === 0) return loaded;
      let text = String(loaded.source instanceof Uint8Array ? Buffer.from(loaded.source) : loaded.source);
      for (const { find, replace, file } of patches) {
        const pieces = text.split(find);
        assert(pieces.length === 2, `'${find}' stands ${pieces.length - 1} times in ${file}, expected once`);
        text = pieces.join(replace);
      }
      return { ...loaded, source: text };
    },
  });
}
