import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { constants } from 'node:os';
import { ContainerLog } from './container-log.ts';
import type { KubeletContainer } from './kubelet.ts';

export interface Mount {
  readonly source: string;
  readonly target: string;
}

interface Surroundings {
  readonly env: Readonly<Record<string, string>>;
  readonly mounts: readonly Mount[];
}

/** What the image of a container would set. */
const IMAGE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The container of a pod as a process of this machine. */
export class PodProcess {
  readonly log = new ContainerLog();
  readonly exitCode: Promise<number>;
  isTerminating = false;
  #child: ChildProcess | undefined;
  #resolve: (exitCode: number) => void = () => {};
  #killer: NodeJS.Timeout | undefined;
  #killAt = Number.POSITIVE_INFINITY;

  constructor() {
    this.exitCode = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get hasStarted(): boolean {
    return this.#child !== undefined;
  }

  /** Starts it, or says why it cannot be started, in the words of a container runtime. */
  async start(container: KubeletContainer, { env, mounts }: Surroundings): Promise<string | undefined> {
    const cwd = container.workingDir ?? '/';
    if (!isFolder(cwd)) {
      return `runc create failed: chdir to cwd ("${cwd}") set in config.json failed: no such file or directory`;
    }
    const words = [...(container.command ?? []), ...(container.args ?? [])].map(expand);
    const [program = '', ...args] = [...mountWords(mounts), ...words];
    const environment = { PATH: IMAGE_PATH, ...env };
    const child = spawn(program, args, { cwd, env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => this.log.write('Stdout', chunk));
    child.stderr.on('data', (chunk: Buffer) => this.log.write('Stderr', chunk));
    const failure = await new Promise<Error | undefined>((resolve) => {
      child.once('spawn', () => resolve(undefined));
      child.once('error', resolve);
    });
    if (failure) {
      this.log.end();
      const why = 'executable file not found in $PATH';
      return `runc create failed: unable to start container process: exec: "${words[0]}": ${why}`;
    }
    child.once('close', (code, signal) => {
      clearTimeout(this.#killer);
      this.log.end();
      this.#resolve(code ?? 128 + (signal ? constants.signals[signal] : 0));
    });
    // Nothing of a container outlives its first process.
    child.once('exit', () => this.kill());
    return undefined;
  }

  /** Asks it to end, and kills it after the grace; a second time only if that is sooner. */
  terminate(graceMs: number): void {
    if (!this.isTerminating && this.#child?.pid) this.#child.kill('SIGTERM');
    this.isTerminating = true;
    const killAt = performance.now() + graceMs;
    if (killAt >= this.#killAt) return;
    this.#killAt = killAt;
    clearTimeout(this.#killer);
    this.#killer = setTimeout(() => this.kill(), graceMs);
  }

  kill(): void {
    if (!this.#child?.pid) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // Nobody is left.
    }
  }
}

/** A private view of the files, with the volumes where the container expects them. */
function mountWords(mounts: readonly Mount[]): readonly string[] {
  if (mounts.length === 0) return [];
  const script = `mount -t tmpfs none /run
    count=$1; shift
    while [ "$count" -gt 0 ]; do mkdir -p "$2"; mount --bind "$1" "$2"; shift 2; count=$((count - 1)); done
    exec "$@"`;
  const pairs = mounts.flatMap(({ source, target }) => [source, target]);
  return ['unshare', '--map-root-user', '--mount', '/bin/sh', '-c', script, 'sh', String(mounts.length), ...pairs];
}

/** `$$` is `$`, and `$(NAME)` would be a variable, of which the tests have none (kubelet, `expansion.Expand`). */
function expand(word: string): string {
  return word.replaceAll(/\$(\$|\([^)]*\))/g, (_, found: string) => (found === '$' ? '$' : '<expanded>'));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
