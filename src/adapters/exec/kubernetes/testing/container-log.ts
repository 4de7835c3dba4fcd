import type { ServerResponse } from 'node:http';

interface Entry {
  readonly at: Date;
  readonly stream: 'Stdout' | 'Stderr';
  readonly bytes: Buffer;
}

/** The log of a container as a kubelet serves it: both streams, the time before each line, followed until it ends. */
export class ContainerLog {
  readonly #entries: Entry[] = [];
  readonly #wakes = new Set<() => void>();
  #ended = false;

  write(stream: Entry['stream'], bytes: Buffer): void {
    this.#entries.push({ at: new Date(), stream, bytes });
    for (const wake of this.#wakes) wake();
  }

  end(): void {
    this.#ended = true;
    for (const wake of this.#wakes) wake();
  }

  serve(query: URLSearchParams, response: ServerResponse): void {
    const wanted = query.get('stream') ?? 'All';
    const since = Date.parse(query.get('sinceTime') ?? '') || 0;
    let next = 0;
    let isLineStart = true;
    const pass = (): void => {
      for (; next < this.#entries.length; next++) {
        const { at, stream, bytes } = this.#entries[next]!;
        if ((wanted !== 'All' && wanted !== stream) || at.getTime() < since) continue;
        for (let from = 0; from < bytes.length; ) {
          const newline = bytes.indexOf(10, from);
          const end = newline < 0 ? bytes.length : newline + 1;
          // Nine digits, as the kubelet prints them.
          if (isLineStart && query.has('timestamps')) response.write(`${at.toISOString().replace('Z', '000000Z')} `);
          response.write(bytes.subarray(from, end));
          isLineStart = newline >= 0;
          from = end;
        }
      }
      if (!this.#ended && query.has('follow')) return;
      this.#wakes.delete(pass);
      response.end();
    };
    this.#wakes.add(pass);
    response.on('close', () => this.#wakes.delete(pass));
    pass();
  }
}
