import { registerHooks } from 'node:module';

const DISK = new URL('./world/disk.ts', import.meta.url).href;
const WORKER = new URL('../src/apps/worker/', import.meta.url).href;

/** The modules of the worker read and write the disk of the world. They are loaded after this. */
registerHooks({
  resolve(specifier, context, next) {
    const isFile = specifier === 'node:fs' || specifier === 'node:fs/promises';
    if (isFile && context.parentURL?.startsWith(WORKER)) return { url: DISK, shortCircuit: true };
    return next(specifier, context);
  },
});
