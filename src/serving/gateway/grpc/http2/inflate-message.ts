import { gunzip, inflate } from 'node:zlib';
import { RpcError, STATUS } from './status.ts';

/** How messages may be compressed, by the names of `grpc-encoding`. */
const INFLATES = { gzip: gunzip, deflate: inflate } as const;

export const ENCODINGS = ['identity', ...Object.keys(INFLATES)].join(',');

export function isEncoding(name: string): boolean {
  return name === 'identity' || Object.hasOwn(INFLATES, name);
}

/** Throws `RESOURCE_EXHAUSTED` for a message that inflates past the limit, `INTERNAL` for bytes that do not. */
export function inflateMessage(bytes: Buffer, encoding: string, bytesMax: number): Promise<Buffer> {
  const work = INFLATES[encoding as keyof typeof INFLATES];
  if (!work) throw new RpcError(STATUS.INTERNAL, 'a message is compressed, and grpc-encoding does not say how');
  return new Promise((resolve, reject) => {
    work(bytes, { maxOutputLength: bytesMax }, (error, inflated) => {
      if (!error) resolve(inflated);
      else if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
        const details = `a message inflates to more than ${bytesMax} bytes, which is the limit`;
        reject(new RpcError(STATUS.RESOURCE_EXHAUSTED, details));
      } else reject(new RpcError(STATUS.INTERNAL, `a message is not ${encoding}`));
    });
  });
}
