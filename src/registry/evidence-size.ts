export const EVIDENCE_BYTES_MAX = 262_144;
const DEPTH_MAX = 32;

/**
 * Whether a value is JSON that may be stored as evidence. The depth is looked at first and without recursion, because
 * everything after it (writing, hashing) recurses into the value.
 */
export function fitsEvidence(value: unknown): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX || !level.every(isJsonNode)) return false;
    level = level.flatMap((node) => (node !== null && typeof node === 'object' ? Object.values(node) : []));
  }
  return new TextEncoder().encode(JSON.stringify(value)).length <= EVIDENCE_BYTES_MAX;
}

function isJsonNode(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      return value === null || Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
    default:
      return false;
  }
}
