import type { FileHandle } from 'node:fs/promises';
import { type Frame, findFrame, isFrame, parseFrame } from './frame.ts';
import type { Place } from './segments.ts';

/** Bytes of a segment that are no frame. Without `next` there is no sound frame after them. */
export interface Gap extends Place {
  readonly next?: Place;
  readonly bytes: number;
}

type Found =
  | { readonly kind: 'frame'; readonly frame: Frame; readonly place: Place }
  | { readonly kind: 'gap'; readonly gap: Gap };

const WINDOW_BYTES = 256 * 1024;

/**
 * Walks over a segment from a place where a frame begins. Sound frames and the gaps between them come in order; the
 * walk ends at the end of the file, or after a gap without a sound frame behind it.
 */
export async function* scanSegment(file: FileHandle, from: Place): AsyncGenerator<Found> {
  let { after, position } = from;
  let window: Buffer = Buffer.alloc(0);
  let windowStart = position;
  let rechecked = -1;
  for (;;) {
    const parsed = parseFrame(window, position - windowStart, after + 1);
    if (isFrame(parsed)) {
      const place = { after: parsed.last, position: position + parsed.bytes };
      yield { kind: 'frame', frame: parsed, place };
      ({ after, position } = place);
      continue;
    }
    const windowBytes = window.length - (position - windowStart);
    const needed = parsed === 'bad' ? WINDOW_BYTES : Math.max(parsed.incomplete, WINDOW_BYTES);
    const fresh = await readAt(file, position, needed);
    const grew = fresh.length > windowBytes;
    // A writer may have been at work while the window was read, so what looks bad is read a second time.
    const recheck = parsed === 'bad' && rechecked !== position;
    if (recheck) rechecked = position;
    window = fresh;
    windowStart = position;
    if ((grew && parsed !== 'bad') || recheck) continue;
    if (fresh.length === 0) return;
    const rest = await readAt(file, position, (await file.stat()).size - position);
    const next = findFrame(rest, 1, after + 1);
    if (!next) {
      yield { kind: 'gap', gap: { after, position, bytes: rest.length } };
      return;
    }
    const place = { after: next.first - 1, position: position + next.position };
    yield { kind: 'gap', gap: { after, position, bytes: next.position, next: place } };
    ({ after, position } = place);
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
