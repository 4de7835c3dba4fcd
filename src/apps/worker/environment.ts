import { arch, platform, release } from 'node:os';
import { basename } from 'node:path';
import type { Clock } from '#core/clock';
import { digestOf } from '#core/hash';
import type { Environment, Interpreter } from '#pipelines/record/contract';
import type { Executor } from '#ports/executor';
import product from '../../../package.json' with { type: 'json' };
import type { Prepared } from './prepare.ts';

/** Says where an attempt runs, for the record of its run. Never fails: what cannot be found out is left out. */
export type DescribeEnvironment = (attempt: { readonly id: string } & Pick<Prepared, Used>) => Promise<Environment>;

type Used = 'command' | 'cwd' | 'env';

/** Somebody may install packages while a worker lives, so what an interpreter said holds for this long. */
const HOLDS_MS = 60_000;
const PROBE_MS = 10_000;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Interpreters remembered at a time. */
const KNOWN_MAX = 100;

/** What asks an interpreter for its version, and for what is installed, as lines: the version, then `name==version`. */
interface Probe {
  readonly name: string;
  readonly pattern: RegExp;
  readonly args: readonly string[];
  /** Whether the lines after the first are packages. */
  readonly lists: boolean;
}

/** It starts where the files of the step lie, of which none is to be taken for a module of Python's own. */
const PYTHON = [
  'import sys; sys.path[:] = [path for path in sys.path if path]',
  'import importlib.metadata as m, platform',
  'print(platform.python_version())',
  'print("\\n".join(sorted({"%s==%s" % (d.metadata["Name"], d.version) for d in m.distributions()})))',
].join('\n');

const PROBES: readonly Probe[] = [
  { name: 'python', pattern: /^(?:python|pypy)[0-9.]*$/, args: ['-c', PYTHON], lists: true },
  { name: 'node', pattern: /^node$/, args: ['--version'], lists: false },
  { name: 'r', pattern: /^Rscript$/, args: ['-e', 'cat(as.character(getRversion()))'], lists: false },
  { name: 'julia', pattern: /^julia$/, args: ['--startup-file=no', '-e', 'print(VERSION)'], lists: false },
];

export function environmentDescriber({
  executor,
  clock,
}: {
  readonly executor: Executor;
  readonly clock: Clock;
}): DescribeEnvironment {
  const base = {
    kedge: product.version,
    node: process.versions.node,
    platform: platform(),
    arch: arch(),
    release: release(),
  };
  const known = new Map<string, { readonly until: number; readonly found: Promise<Interpreter | undefined> }>();
  return async (attempt) => {
    const asked = probeFor(attempt.command);
    if (!asked) return base;
    const key = JSON.stringify([asked.command, attempt.env['PATH'] ?? null, attempt.env['VIRTUAL_ENV'] ?? null]);
    const now = clock.monotonic();
    let entry = known.get(key);
    if (!entry || entry.until <= now) {
      const found = ask(executor, attempt, asked).catch(() => undefined);
      entry = { until: now + HOLDS_MS, found };
      known.delete(key);
      known.set(key, entry);
      const [oldest] = known.keys();
      if (known.size > KNOWN_MAX && oldest !== undefined) known.delete(oldest);
    }
    const interpreter = await entry.found;
    return interpreter ? { ...base, interpreter } : base;
  };
}

/** How to ask the interpreter that a command starts, also one that it starts through `env`. */
function probeFor(
  command: readonly string[],
): { readonly probe: Probe; readonly command: readonly string[] } | undefined {
  const isEnv = basename(command[0] ?? '') === 'env';
  const program = isEnv ? command.slice(1).find((word) => !word.includes('=')) : command[0];
  // The worker's own Node runs step functions; what it is stands in the description already.
  if (program === undefined || program === process.execPath) return undefined;
  const probe = PROBES.find(({ pattern }) => pattern.test(basename(program)));
  return probe && { probe, command: isEnv ? [command[0] ?? '', program] : [program] };
}

async function ask(
  executor: Executor,
  attempt: Parameters<DescribeEnvironment>[0],
  { probe, command }: { readonly probe: Probe; readonly command: readonly string[] },
): Promise<Interpreter | undefined> {
  const chunks: Uint8Array[] = [];
  const execution = await executor.start({
    id: `${attempt.id}-environment`,
    command: [...command, ...probe.args],
    cwd: attempt.cwd,
    env: attempt.env,
    limits: { wallMs: PROBE_MS, outputBytesMax: ANSWER_BYTES_MAX, graceMs: 0 },
    onOutput: (stream, chunk) => void (stream === 'stdout' && chunks.push(chunk.slice())),
  });
  const exit = await execution.exited;
  if (exit.reason !== 'exited' || exit.code !== 0 || exit.outputBytesCut > 0) return undefined;
  const [version = '', ...lines] = Buffer.concat(chunks).toString('utf8').trim().split('\n');
  if (version === '' || version.length > 200) return undefined;
  const packages = lines.filter((line) => line !== '').sort();
  return {
    name: probe.name,
    version: version.replace(/^v/, ''),
    ...(probe.lists ? { packages: { count: packages.length, digest: digestOf(packages.join('\n')) } } : {}),
  };
}
