import { spawn } from 'node:child_process';
import { nodeFlags } from './node-binary.mjs';

/**
 * Runs a file with another Node as if it were this process: same terminal, signals handed on, and in the end its exit
 * code or its signal.
 * @param {string} node path of the binary
 * @param {string} file
 * @param {string[]} args
 * @param {Record<string, string | undefined>} [env]
 */
export function launch(node, file, args, env = process.env) {
  const child = spawn(node, [...nodeFlags, file, ...args], { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to the child as well; a second one from here would tell it to stop at once.
  const isFromTerminal = process.stdin.isTTY === true;
  /** @type {Array<[NodeJS.Signals, () => void]>} */
  const handlers = [
    ['SIGINT', () => isFromTerminal || child.kill('SIGINT')],
    ['SIGTERM', () => child.kill('SIGTERM')],
    ['SIGHUP', () => child.kill('SIGHUP')],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  child.on('error', (error) => {
    process.stderr.write(`${node} cannot be started: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    for (const [name, handler] of handlers) process.off(name, handler);
    if (signal) process.kill(process.pid, signal);
    else process.exit(code ?? 1);
  });
}
