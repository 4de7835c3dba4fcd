import { spawn } from 'node:child_process';
import { statfsSync } from 'node:fs';
import { basename } from 'node:path';
import { startProgress } from './progress.mjs';

/**
 * Runs `npm ci` in `root` with one line of progress.
 * @param {string} root
 * @param {(message: string) => Error} fail makes the error that is thrown
 */
export async function installDependencies(root, fail) {
  const progress = startProgress('Installing dependencies (npm ci)');
  const free = freeBytes(root);
  const { code, output } = await runNpmCi(root);
  progress.stop(code === 0 ? 'done' : 'failed');
  if (code !== 0) throw fail(explainFailure(output, code, free));
}

/**
 * @param {string} root
 * @returns {Promise<{ code: number | string, output: string }>} a text for code names the error of the start itself
 */
function runNpmCi(root) {
  const { command, args, shell } = npmCommand(process.env);
  const flags = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  // An install script that `allowScripts` in package.json neither permits nor forbids is an error where npm knows this.
  flags.push('--strict-allow-scripts');
  // An npm that predates `allowScripts` in package.json runs every install script; this one downloads CUDA libraries.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' };
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(command, [...args, ...flags], { cwd: root, env, shell, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output = (output + text).slice(-20_000);
      });
    }
    child.on('error', (error) => resolve({ code: 'code' in error ? String(error.code) : 'ERROR', output }));
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? 1, output }));
  });
}

/**
 * The npm that started this process when there is one, otherwise the one on the PATH.
 * @param {Record<string, string | undefined>} env
 */
export function npmCommand(env) {
  const parent = env['npm_execpath'];
  if (parent && basename(parent) === 'npm-cli.js') return { command: process.execPath, args: [parent], shell: false };
  return { command: 'npm', args: [], shell: process.platform === 'win32' };
}

/** Room for files of an ordinary user on the disk of `root`. @param {string} root */
function freeBytes(root) {
  const { bavail, bsize } = statfsSync(root);
  return bavail * bsize;
}

/** What node_modules takes, roughly. */
const neededBytes = 1_000_000_000;
const network =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/;
const certificate = /\b(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w*CERT\w*|CERT_HAS_EXPIRED|DEPTH_ZERO_SELF_SIGNED_CERT)\b/;

/** @type {ReadonlyArray<{ sign: RegExp, advice: string }>} */
const advices = [
  { sign: /\bENOSPC\b/, advice: 'The disk is full: node_modules needs about 1 GB. Free some space and try again.' },
  {
    sign: network,
    advice: 'The npm registry cannot be reached. Check the network, the proxy and `npm config get registry`.',
  },
  {
    sign: certificate,
    advice: 'The registry shows a certificate that this machine does not trust. Set `npm config set cafile`.',
  },
  { sign: /\b(EACCES|EPERM|EROFS)\b/, advice: 'This folder may not be written. Give it to the current user.' },
  {
    sign: /\bEUSAGE\b/,
    advice: 'package-lock.json does not fit package.json. Run `npm install`, then `node tools/complete-lock.mjs`.',
  },
  { sign: /\bEINTEGRITY\b/, advice: 'A package is not the one that was locked. Run `npm cache verify`, try again.' },
  { sign: /\bE(401|403|404)\b/, advice: 'The registry refuses a package. Check `npm config get registry`.' },
];

/**
 * Says what went wrong and what to do about it, with npm's own last lines when they add something.
 * @param {string} output what npm printed
 * @param {number | string} code exit code, signal, or the error code of the start itself
 * @param {number} [free] bytes that were left on the disk before it started
 */
export function explainFailure(output, code, free = Number.POSITIVE_INFINITY) {
  if (code === 'ENOENT' || code === 127) {
    return 'npm was not found. Install Node.js 20 or later together with npm (https://nodejs.org) and try again.';
  }
  const advice = advices.find(({ sign }) => sign.test(output))?.advice ?? adviceWithoutSign(code, free);
  const noise = /complete log of this run|npm help ci|^npm error(\s+at .*|\s*)$|^\s*$/;
  const lines = output.split('\n').filter((line) => !noise.test(line));
  const tail = lines.slice(0, 12).map((line) => `  ${line.slice(0, 200)}`);
  return [advice, ...(tail.length > 0 ? ['npm said:', ...tail] : [])].join('\n');
}

/**
 * npm hides most of what a full disk does to it, stumbles over half-written files instead, and then deletes them.
 * @param {number | string} code
 * @param {number} free
 */
function adviceWithoutSign(code, free) {
  if (free >= neededBytes) return `npm ci failed (${code}).`;
  const megabytes = Math.floor(free / 1_000_000);
  return `The disk is too full: node_modules needs about 1 GB, ${megabytes} MB were free. Free some and try again.`;
}
