import { fileURLToPath } from 'node:url';

/**
 * For a process of the product that a test starts with an environment of its own: Node finds there what it made of the
 * TypeScript before, and starts in half the time.
 */
export const compileCache = {
  NODE_COMPILE_CACHE: fileURLToPath(new URL('../../node_modules/.cache/kedge', import.meta.url)),
} as const;
