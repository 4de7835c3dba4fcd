/** Bundles of entries: each entry after its length as a big-endian uint16 (c2sp.org/tlog-tiles, log entries). */

export const ENTRY_BYTES_MAX = 65_535;

const LENGTH_BYTES = 2;

export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array {
  const bytes = Buffer.allocUnsafe(entries.reduce((sum, entry) => sum + LENGTH_BYTES + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    at = bytes.writeUInt16BE(entry.length, at);
    bytes.set(entry, at);
    at += entry.length;
  }
  return bytes;
}

/** The entries of a bundle, as far as their lengths fit; `rest` counts the bytes after the last that does. */
export function decodeBundle(bundle: Uint8Array): { readonly entries: Uint8Array[]; readonly rest: number } {
  const entries: Uint8Array[] = [];
  let at = 0;
  while (at + LENGTH_BYTES <= bundle.length) {
    const end = at + LENGTH_BYTES + (bundle[at]! * 256 + bundle[at + 1]!);
    if (end > bundle.length) break;
    entries.push(bundle.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return { entries, rest: bundle.length - at };
}
