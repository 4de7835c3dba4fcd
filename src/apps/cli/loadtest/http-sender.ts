import { Agent, request } from 'node:http';

export interface HttpSender {
  /** Posts a body: `answered` with status 200, else another status, `error` or `timeout`. Never rejects. */
  send(body: string): Promise<string>;
  close(): void;
}

/** Sends the requests of an open loop over HTTP, on as many connections as they need. */
export function httpSender({ url, timeoutMs }: { readonly url: URL; readonly timeoutMs: number }): HttpSender {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  return {
    send: (body) =>
      new Promise((resolve) => {
        const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
        const asked = request(url, { method: 'POST', agent, headers, timeout: timeoutMs }, (response) => {
          response.resume();
          const { statusCode } = response;
          response.once('end', () => resolve(statusCode === 200 ? 'answered' : String(statusCode)));
          response.once('error', () => resolve('error'));
        });
        asked.once('timeout', () => {
          resolve('timeout');
          asked.destroy();
        });
        asked.once('error', () => resolve('error'));
        asked.end(body);
      }),
    close: () => agent.destroy(),
  };
}
