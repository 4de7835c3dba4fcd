import { crc32 } from 'node:zlib';
import { APPEND_BYTES_MAX, APPEND_RECORDS_MAX, PACKED_LENGTH, PACKED_ROOM, type PackedRecords } from '#ports/event-log';

/*
 * One append is one frame, so that it is there whole or not at all:
 *
 *   crc-32 of the rest (4) | bytes of the body (4) | offset of the first record (8) | count of records (4) | body
 *
 * The body is, for each record, its length (4) and its bytes. All numbers are little-endian. The offset in the header
 * makes a frame recognizable at any place, which tells a torn end from damage in the middle.
 */
const HEADER_BYTES = PACKED_ROOM;
const BODY_BYTES_MAX = APPEND_BYTES_MAX + PACKED_LENGTH * APPEND_RECORDS_MAX;

export interface Frame {
  readonly first: number;
  readonly last: number;
  readonly bytes: number;
  /** The records. Their bytes are those of the buffer that was parsed. */
  readonly records: () => Uint8Array[];
}

/** What is at a place: a frame, nothing sound, or the beginning of what may be a frame of `bytes` bytes. */
type Parsed = Frame | 'bad' | { readonly incomplete: number };

export function isFrame(parsed: Parsed): parsed is Frame {
  return typeof parsed === 'object' && 'records' in parsed;
}

/** Frames up to this length share one memory: to get some of it for each append, and give it back, costs more. */
const SHARED_BYTES = 256 * 1024;

/** Encodes the frames of one log, each to be written before the next is made. */
export class FrameEncoder {
  readonly #shared = Buffer.allocUnsafeSlow(SHARED_BYTES);

  /** The records, of `recordBytes` together, behind one another. The bytes are sound until the next call. */
  pack(records: readonly Uint8Array[], recordBytes: number): PackedRecords {
    const length = PACKED_ROOM + recordBytes + PACKED_LENGTH * records.length;
    const bytes = length <= SHARED_BYTES ? this.#shared.subarray(0, length) : Buffer.allocUnsafeSlow(length);
    let position = PACKED_ROOM;
    for (const record of records) {
      bytes.writeUInt32LE(record.length, position);
      bytes.set(record, position + PACKED_LENGTH);
      position += PACKED_LENGTH + record.length;
    }
    return { bytes, count: records.length };
  }
}

/** Makes a frame of records that begin at offset `first`, in their own memory. */
export function frameOf({ bytes, count }: PackedRecords, first: number): Buffer {
  bytes.writeUInt32LE(bytes.length - HEADER_BYTES, 4);
  bytes.writeUInt32LE(first % 2 ** 32, 8);
  bytes.writeUInt32LE(Math.floor(first / 2 ** 32), 12);
  bytes.writeUInt32LE(count, 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0);
  return bytes;
}

/** Parses the frame at `position` whose first record must have the offset `expected`. */
export function parseFrame(buffer: Buffer, position: number, expected: number): Parsed {
  const available = buffer.length - position;
  if (available < HEADER_BYTES) return { incomplete: HEADER_BYTES };
  const bodyBytes = buffer.readUInt32LE(position + 4);
  const count = buffer.readUInt32LE(position + 16);
  const plausible = count >= 1 && count <= APPEND_RECORDS_MAX && bodyBytes <= BODY_BYTES_MAX;
  if (!plausible || offsetAt(buffer, position) !== expected) return 'bad';
  const bytes = HEADER_BYTES + bodyBytes;
  if (available < bytes) return { incomplete: bytes };
  if (crc32(buffer.subarray(position + 4, position + bytes)) !== buffer.readUInt32LE(position)) return 'bad';
  const body = buffer.subarray(position + HEADER_BYTES, position + bytes);
  return { first: expected, last: expected + count - 1, bytes, records: () => splitBody(body, count) };
}

/** The first sound frame at or after `position` whose offset is `expected` or later. */
export function findFrame(
  buffer: Buffer,
  position: number,
  expected: number,
): { readonly position: number; readonly first: number } | undefined {
  // Every lost record had at least the four bytes of its length.
  const offsetMax = expected + Math.ceil(buffer.length / PACKED_LENGTH);
  for (let at = position; at + HEADER_BYTES <= buffer.length; at++) {
    const first = offsetAt(buffer, at);
    if (first < expected || first > offsetMax) continue;
    if (isFrame(parseFrame(buffer, at, first))) return { position: at, first };
  }
  return undefined;
}

function offsetAt(buffer: Buffer, position: number): number {
  return buffer.readUInt32LE(position + 12) * 2 ** 32 + buffer.readUInt32LE(position + 8);
}

function splitBody(body: Buffer, count: number): Uint8Array[] {
  const records: Uint8Array[] = [];
  let position = 0;
  for (let i = 0; i < count; i++) {
    const start = position + PACKED_LENGTH;
    position = start + body.readUInt32LE(position);
    records.push(body.subarray(start, position));
  }
  return records;
}
