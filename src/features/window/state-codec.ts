import { crc32 } from 'node:zlib';
import { windowErrors } from './errors.ts';

/**
 * The stored rows of one entity. Layout, little-endian, every section starting at a multiple of eight bytes:
 *
 * | offset | size | field |
 * |---|---|---|
 * | 0 | 3 | `KWS` |
 * | 3 | 1 | version, 1 |
 * | 4 | 4 | CRC-32 of everything from offset 8 on |
 * | 8 | 4 | rows |
 * | 12 | 2 | value columns |
 * | 14 | 2 | bytes of their names |
 * | 16 | 8 | `droppedToMs`, float64 |
 * | 24 | 16 each | sections: base (float64), encoding (uint32), bytes (uint32): ids, known, event, values in order |
 * | … | | names, UTF-8, separated by NUL; then the sections |
 *
 * A section is stored in the narrowest encoding that loses nothing: offsets from its base as uint32 where it holds
 * whole numbers of a range below 2^32 (ids and times mostly do), float32, or float64.
 */
export interface StateColumns {
  /** Sorted. */
  readonly names: readonly string[];
  /** The latest of max(known, event) over all rows that were ever dropped, -Infinity before the first. */
  readonly droppedToMs: number;
  readonly rows: number;
  readonly ids: Float64Array;
  readonly knownMs: Float64Array;
  readonly eventMs: Float64Array;
  /** As `names`. */
  readonly values: readonly Float64Array[];
}

export const STATE_ROWS_MAX = 1 << 20;
export const STATE_COLUMNS_MAX = 64;

const MAGIC_AND_VERSION = 0x0153574b;
const HEADER_BYTES = 24;
const SECTION_HEADER_BYTES = 16;
const FIXED_SECTIONS = 3;
const FLOAT64 = 0;
const OFFSET32 = 1;
const FLOAT32 = 2;

export function encodeState(state: StateColumns): Uint8Array {
  const names = Buffer.from(state.names.join('\0'));
  const sections = [state.ids, state.knownMs, state.eventMs, ...state.values].map((values) => narrowest(values));
  const namesStart = HEADER_BYTES + sections.length * SECTION_HEADER_BYTES;
  let offset = aligned(namesStart + names.length);
  const bytesTotal = sections.reduce((sum, section) => sum + aligned(section.bytes), offset);
  const bytes = new Uint8Array(bytesTotal);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC_AND_VERSION, true);
  view.setUint32(8, state.rows, true);
  view.setUint16(12, state.names.length, true);
  view.setUint16(14, names.length, true);
  view.setFloat64(16, state.droppedToMs, true);
  bytes.set(names, namesStart);
  sections.forEach((section, s) => {
    const header = HEADER_BYTES + s * SECTION_HEADER_BYTES;
    view.setFloat64(header, section.base, true);
    view.setUint32(header + 8, section.encoding, true);
    view.setUint32(header + 12, section.bytes, true);
    writeSection(section, bytes.buffer, offset);
    offset += aligned(section.bytes);
  });
  view.setUint32(4, crc32(bytes.subarray(8)), true);
  return bytes;
}

/** A stored state opened for reading; its sections are decoded on demand. */
export class StateReader {
  readonly names: readonly string[];
  readonly droppedToMs: number;
  readonly rows: number;
  readonly #view: DataView<ArrayBuffer>;
  readonly #offsets: readonly number[];
  readonly #columnOf: (rows: number) => Float64Array;

  /**
   * Sections that are not stored as float64 are decoded into what `columnOf` gives.
   *
   * Throws `features/window-state-corrupt` unless `bytes` are exactly what {@link encodeState} wrote.
   */
  constructor(bytes: Uint8Array, columnOf = (rows: number): Float64Array => new Float64Array(rows)) {
    this.#columnOf = columnOf;
    if (bytes.length < HEADER_BYTES) refuse(`at least ${HEADER_BYTES} bytes expected, got ${bytes.length}`);
    // Typed arrays over a section need its alignment, which a slice of a store's page does not have.
    const own = bytes.byteOffset % 8 === 0 && bytes.buffer instanceof ArrayBuffer ? bytes : new Uint8Array(bytes);
    const view = new DataView(own.buffer as ArrayBuffer, own.byteOffset, own.length);
    const magic = view.getUint32(0, true);
    if ((magic & 0xffffff) !== (MAGIC_AND_VERSION & 0xffffff)) refuse('the bytes are not a window state');
    if (magic !== MAGIC_AND_VERSION) refuse(`version ${magic >>> 24} is not known, only ${MAGIC_AND_VERSION >>> 24}`);
    if (crc32(own.subarray(8)) !== view.getUint32(4, true)) refuse('the checksum does not match');
    this.#view = view;
    this.rows = view.getUint32(8, true);
    this.droppedToMs = view.getFloat64(16, true);
    const columns = view.getUint16(12, true);
    const namesBytes = view.getUint16(14, true);
    const namesStart = HEADER_BYTES + (FIXED_SECTIONS + columns) * SECTION_HEADER_BYTES;
    if (namesStart + namesBytes > own.length) refuse(`the header does not fit into ${own.length} bytes`);
    const names = Buffer.from(own.buffer, own.byteOffset + namesStart, namesBytes);
    this.names = columns === 0 ? [] : names.toString().split('\0');
    const offsets: number[] = [];
    let offset = aligned(namesStart + namesBytes);
    for (let section = 0; section < FIXED_SECTIONS + columns; section++) {
      offsets.push(offset);
      offset += aligned(view.getUint32(HEADER_BYTES + section * SECTION_HEADER_BYTES + 12, true));
    }
    if (offset !== own.length) refuse(`${offset} bytes expected, got ${own.length}`);
    this.#offsets = offsets;
  }

  ids(): Float64Array {
    return this.#section(0);
  }

  knownMs(): Float64Array {
    return this.#section(1);
  }

  eventMs(): Float64Array {
    return this.#section(2);
  }

  /** The values of `names[column]`. */
  values(column: number): Float64Array {
    return this.#section(FIXED_SECTIONS + column);
  }

  #section(section: number): Float64Array {
    const header = HEADER_BYTES + section * SECTION_HEADER_BYTES;
    const encoding = this.#view.getUint32(header + 8, true);
    const { buffer, byteOffset } = this.#view;
    const start = byteOffset + this.#offsets[section]!;
    const width = encoding === FLOAT64 ? 8 : 4;
    if (this.#view.getUint32(header + 12, true) !== width * this.rows) refuse(`section ${section} has a wrong size`);
    if (encoding === FLOAT64) return new Float64Array(buffer, start, this.rows);
    const values = this.#columnOf(this.rows);
    if (encoding === FLOAT32) values.set(new Float32Array(buffer, start, this.rows));
    else if (encoding === OFFSET32) {
      addOffsets(new Uint32Array(buffer, start, this.rows), this.#view.getFloat64(header, true), values);
    } else refuse(`section ${section} has the unknown encoding ${encoding}`);
    return values;
  }
}

interface Section {
  readonly values: Float64Array;
  readonly encoding: number;
  readonly base: number;
  readonly bytes: number;
}

function narrowest(values: Float64Array): Section {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let whole = true;
  let single = true;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
    // An offset would lose the sign of -0. NaN is no whole number, but single precision holds it.
    if (whole && (Math.floor(value) !== value || (value === 0 && 1 / value < 0))) whole = false;
    if (single && Math.fround(value) !== value && !Number.isNaN(value)) single = false;
  }
  if (whole && max - min <= 0xffffffff && Math.abs(min) <= Number.MAX_SAFE_INTEGER) {
    return { values, encoding: OFFSET32, base: values.length === 0 ? 0 : min, bytes: 4 * values.length };
  }
  if (single) return { values, encoding: FLOAT32, base: 0, bytes: 4 * values.length };
  return { values, encoding: FLOAT64, base: 0, bytes: 8 * values.length };
}

function writeSection({ values, encoding, base }: Section, buffer: ArrayBuffer, offset: number): void {
  if (encoding === FLOAT64) new Float64Array(buffer, offset, values.length).set(values);
  else if (encoding === FLOAT32) new Float32Array(buffer, offset, values.length).set(values);
  else {
    const offsets = new Uint32Array(buffer, offset, values.length);
    for (let i = 0; i < values.length; i++) offsets[i] = values[i]! - base;
  }
}

function addOffsets(offsets: Uint32Array, base: number, values: Float64Array): void {
  for (let i = 0; i < values.length; i++) values[i] = base + offsets[i]!;
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function refuse(detail: string): never {
  throw windowErrors['window-state-corrupt'](`window state: ${detail}`);
}
