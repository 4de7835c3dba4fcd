/**
 * Bytes that a process holds once everything is collected that can be: of its heap, and of what lies beside it. Asked
 * over the debugger's protocol, because only from there can a collection be forced.
 */
export async function heldBytes(inspector: string): Promise<number> {
  const socket = new WebSocket(inspector);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', () => reject(new Error('the debugger does not answer')), { once: true });
  });
  let id = 0;
  const ask = (method: string, params: object = {}): Promise<Reply> => {
    id += 1;
    const own = id;
    return new Promise((resolve) => {
      const listener = ({ data }: MessageEvent): void => {
        const reply = JSON.parse(String(data)) as Reply;
        if (reply.id !== own) return;
        socket.removeEventListener('message', listener);
        resolve(reply);
      };
      socket.addEventListener('message', listener);
      socket.send(JSON.stringify({ id: own, method, params }));
    });
  };
  try {
    for (let i = 0; i < 3; i++) await ask('HeapProfiler.collectGarbage');
    const expression = '{ const { heapUsed, external } = process.memoryUsage(); heapUsed + external }';
    const { result } = await ask('Runtime.evaluate', { expression, returnByValue: true });
    return result.result.value;
  } finally {
    socket.close();
  }
}

interface Reply {
  readonly id: number;
  readonly result: { readonly result: { readonly value: number } };
}
