import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type Kedge } from '#client';
import { loadConfig } from '#platform/config';
import { savedKey } from './credentials.ts';

export interface ConnectionOptions {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly data?: string | undefined;
  readonly project?: string | undefined;
}

/** The address of the control plane that the options or the configuration name. */
export function urlOf(options: ConnectionOptions): string {
  return loadConfig({ controlPlaneUrl: options.url }).controlPlaneUrl.replace(/\/$/, '');
}

export function connectFrom(options: ConnectionOptions): Kedge {
  return connect({ ...addressFrom(options), project: options.project });
}

/**
 * The address of the control plane and what a command presents there: the token given, or that of the configuration, or
 * the key that `kedge login` kept for this address, or the administrator's of the data directory. That one is presented
 * to this machine only, unless the directory was named, as it is not for others to see.
 */
export function addressFrom(options: ConnectionOptions): {
  readonly url: string;
  readonly token: string | undefined;
} {
  const config = loadConfig({ controlPlaneUrl: options.url, token: options.token, dataDir: options.data });
  const url = urlOf(options);
  const ofDataDir = options.data !== undefined || isThisMachine(url) ? tokenIn(config.dataDir) : undefined;
  const token = options.data === undefined ? (savedKey(url)?.key ?? ofDataDir) : ofDataDir;
  return { url, token: config.token || token };
}

function tokenIn(dataDir: string): string | undefined {
  const path = join(dataDir, 'tokens.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { admin: string }).admin : undefined;
}

function isThisMachine(url: string): boolean {
  return URL.canParse(url) && ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(url).hostname);
}
