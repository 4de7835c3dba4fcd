/** The last lines that a process wrote: however much it writes, no more than this is kept. */
export class LogTail {
  readonly #bytesMax: number;
  #lines: string[] = [];
  #bytes = 0;
  #open = '';

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes a piece of output, and tells the whole lines in it. */
  add(chunk: Uint8Array): readonly string[] {
    const lines = (this.#open + Buffer.from(chunk).toString('utf8')).split('\n');
    this.#open = (lines.pop() ?? '').slice(-this.#bytesMax);
    for (const line of lines) {
      this.#lines.push(line);
      this.#bytes += line.length + 1;
    }
    while (this.#bytes > this.#bytesMax && this.#lines.length > 0)
      this.#bytes -= (this.#lines.shift() ?? '').length + 1;
    return lines;
  }

  /** The end of it, of at most this many characters. */
  end(charsMax: number): string {
    return [...this.#lines, this.#open].join('\n').trim().slice(-charsMax);
  }
}
