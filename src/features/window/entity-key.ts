import { WINDOW_KEYS_MAX } from './definition.ts';
import { windowErrors } from './errors.ts';

/** Below the smallest key limit among the key-value stores, with room for a prefix. */
export const ENTITY_KEY_BYTES_MAX = 1_024;

/**
 * The key of an entity in a key-value store: every part with its length in UTF-16 units before it, as in `3:ORD3:DFW`.
 * Two different lists of parts never give the same key, whatever characters they contain.
 */
export function entityKey(parts: readonly string[]): string {
  if (parts.length < 1 || parts.length > WINDOW_KEYS_MAX) {
    throw windowErrors['window-input-invalid'](
      `entity key: between 1 and ${WINDOW_KEYS_MAX} parts, got ${parts.length}`,
    );
  }
  let key = '';
  for (const part of parts) key += `${part.length}:${part}`;
  // A UTF-16 unit takes at most three bytes, so short keys need no count.
  if (key.length * 3 > ENTITY_KEY_BYTES_MAX && Buffer.byteLength(key) > ENTITY_KEY_BYTES_MAX) {
    throw windowErrors['window-input-invalid'](`entity key: at most ${ENTITY_KEY_BYTES_MAX} bytes in UTF-8`);
  }
  return key;
}
