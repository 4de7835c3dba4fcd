export { blobsContract } from './contract.ts';
export { blobHandlers, serveBlobs } from './handlers.ts';
