/** What a program puts before the line by which it ends its output of one request; it is no part of any text. */
const MARK_START = 0x1e;
/** Longer is no end of output, however it begins. */
const MARK_LENGTH_MAX = 1_000;

/**
 * One stream of a program that serves one request after another: passes on what it writes, and tells when the output
 * of a request is over, which it says by the line `\x1e<mark> <JSON>\n`. What may begin that line is held back until it
 * is clear.
 */
export class MarkedOutput {
  readonly #mark: Buffer;
  readonly #pass: (chunk: Buffer) => void;
  readonly #end: (said: string) => void;
  #held: Buffer = Buffer.alloc(0);

  constructor(mark: string, to: { readonly pass: (chunk: Buffer) => void; readonly end: (said: string) => void }) {
    this.#mark = Buffer.concat([Buffer.from([MARK_START]), Buffer.from(`${mark} `)]);
    this.#pass = to.pass;
    this.#end = to.end;
  }

  push(chunk: Buffer): void {
    let rest: Buffer = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#held = Buffer.alloc(0);
    for (let at = rest.indexOf(MARK_START); at >= 0; at = rest.indexOf(MARK_START)) {
      if (at > 0) this.#pass(rest.subarray(0, at));
      rest = rest.subarray(at);
      const known = Math.min(rest.length, this.#mark.length);
      const isMark = rest.subarray(0, known).equals(this.#mark.subarray(0, known));
      const end = isMark ? rest.indexOf('\n') : -1;
      if (isMark && end < 0 && rest.length < MARK_LENGTH_MAX) {
        this.#held = Buffer.from(rest);
        return;
      }
      if (isMark && end >= known) {
        this.#end(rest.toString('utf8', this.#mark.length, end));
        rest = rest.subarray(end + 1);
      } else {
        this.#pass(rest.subarray(0, 1));
        rest = rest.subarray(1);
      }
    }
    if (rest.length > 0) this.#pass(rest);
  }
}
