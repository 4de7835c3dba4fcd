import { StringDecoder } from 'node:string_decoder';
import { LOG_LINE_LENGTH_MAX } from '#pipelines/contract';

/** Cuts the chunks of a stream into lines. A line longer than the limit of the log becomes several. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.write(Buffer.from(chunk))).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line.endsWith('\r') ? line.slice(0, -1) : line);
    while (this.#rest.length > LOG_LINE_LENGTH_MAX) {
      this.#onLine(this.#rest.slice(0, LOG_LINE_LENGTH_MAX));
      this.#rest = this.#rest.slice(LOG_LINE_LENGTH_MAX);
    }
  }

  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#emit(rest);
  }

  #emit(line: string): void {
    if (line === '') this.#onLine('');
    for (let i = 0; i < line.length; i += LOG_LINE_LENGTH_MAX) this.#onLine(line.slice(i, i + LOG_LINE_LENGTH_MAX));
  }
}
