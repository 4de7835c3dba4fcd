import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/**
 * What Kedge's artifacts are measured against: bytes of a PUT go to a file and those of a GET come from it by Node's
 * own `pipeline`, and nothing else happens. Like Kedge it answers a PUT once the file is on disk (`flush` is an fsync).
 */
const folder = process.argv[2] ?? '.';
const server = createServer((request, response) => {
  const path = join(folder, (request.url ?? '').replaceAll(/[^\w]/g, '_'));
  const answer = async (): Promise<void> => {
    if (request.method === 'PUT') {
      await pipeline(request, createWriteStream(path, { flush: true }));
      response.end('{}');
      return;
    }
    response.setHeader('content-length', (await stat(path)).size);
    await pipeline(createReadStream(path), response);
  };
  answer().catch((error: unknown) => response.destroy(error as Error));
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as { port: number }).port }));
process.on('disconnect', () => process.exit(0));
