import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type Kedge } from '#client';
import { loadConfig } from '#platform/config';

export interface ConnectionOptions {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly data?: string | undefined;
}

/** The client of a command: the address and token given, or those of the configuration, or of the data directory. */
export function connectFrom(options: ConnectionOptions): Kedge {
  const config = loadConfig({ controlPlaneUrl: options.url, token: options.token, dataDir: options.data });
  const url = config.controlPlaneUrl.replace(/\/$/, '');
  return connect({ url, token: config.token || tokenIn(config.dataDir) });
}

function tokenIn(dataDir: string): string | undefined {
  const path = join(dataDir, 'tokens.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { admin: string }).admin : undefined;
}
