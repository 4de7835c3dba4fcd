import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';

/** A request as it travels. */
export function post(path: string, body: string, ...headers: string[]): string {
  const lines = [`POST ${path} HTTP/1.1`, 'Host: h', `Content-Length: ${Buffer.byteLength(body)}`, ...headers];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** A client that sends whatever it is told, and keeps what it is answered. */
export class Client {
  readonly socket: Socket;
  text = '';
  #waiting = (): void => {};

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setNoDelay(true);
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => this.#waiting());
    this.socket.on('data', (chunk) => this.take(chunk));
  }

  take(chunk: Buffer): void {
    this.text += chunk;
    this.#waiting();
  }

  /** Waits until the answers so far contain all of these, in this order. */
  async got(...parts: string[]): Promise<void> {
    const has = (): boolean => {
      let at = 0;
      for (const part of parts) {
        const found = this.text.indexOf(part, at);
        if (found < 0) return false;
        at = found + part.length;
      }
      return true;
    };
    while (!has()) {
      if (this.socket.closed) assert.fail(`closed after ${this.text}`);
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }
}
