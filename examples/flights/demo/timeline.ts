/** A live timeline for a terminal: event time on the left, what happened on the right, progress on the last line. */
export class Timeline {
  readonly #tty = process.stdout.isTTY === true;
  readonly #startedAt = performance.now();
  #progress = '';
  #printedAt = 0;

  act(number: number, title: string): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(0);
    this.#line(`\n${bold(`${number}  ${title}`, this.#tty)}  [${seconds} s]`);
  }

  /** Something that happened, at an event time (epoch milliseconds), with its numbers. */
  tell(at: number | null, text: string): void {
    this.#line(`   ${at === null ? '          ' : stamp(at)}  ${text}`);
  }

  /** What a person does, as opposed to the platform. */
  user(text: string): void {
    this.#line(`   ${dim('you ›', this.#tty)} ${text}`);
  }

  progress(at: number, parts: readonly string[]): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(0);
    this.#progress = `   ${stamp(at)}  ${parts.join(' · ')}  [${seconds} s]`;
    if (!this.#tty || performance.now() - this.#printedAt < 100) return;
    this.#printedAt = performance.now();
    process.stdout.write(`\r\x1b[2K${this.#progress}`);
  }

  table(rows: readonly (readonly string[])[]): void {
    const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
    for (const row of rows) this.#line(`   ${row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  ')}`);
  }

  #line(text: string): void {
    process.stdout.write(this.#tty ? `\r\x1b[2K${text}\n` : `${text}\n`);
  }
}

export function stamp(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ').slice(5);
}

export function iso(at: number): string {
  return new Date(at).toISOString();
}

function bold(text: string, tty: boolean): string {
  return tty ? `\x1b[1m${text}\x1b[0m` : text;
}

function dim(text: string, tty: boolean): string {
  return tty ? `\x1b[2m${text}\x1b[0m` : text;
}
