import { canonicalJson } from '#core/json';
import type { Execution, ExecutionRequest, Executor, Exit } from '#ports/executor';
import { digestAt } from './blobs.ts';
import { writeFile } from './disk.ts';
import type { Fault } from './plan.ts';
import type { Process } from './process.ts';
import type { World } from './world.ts';

/** What the process of a step does, drawn when it starts. */
type Behaviour = 'works' | 'fails' | 'killed' | 'writes nothing' | 'hangs' | 'stuck';

/** A process of a step, for as long as it runs. It outlives its worker, as the process of a command does. */
export interface RunningProgram {
  readonly attempt: string;
  readonly worker: Process;
  /** Nothing ends it. */
  readonly isStuck: boolean;
}

/** Runs programs on the machine of a worker. A program works for some virtual time and writes its outputs. */
export function executorOf(worker: Process, running: Set<RunningProgram>): Executor {
  return {
    async start(request) {
      await worker.gate(() => 'the start of a process');
      return new Program(request, worker, running);
    },
  };
}

class Program implements Execution {
  readonly id: string;
  readonly exited: Promise<Exit>;
  readonly #world: World;
  readonly #worker: Process;
  readonly #request: ExecutionRequest;
  readonly #behaviour: Behaviour;
  readonly #ignoresTerm: boolean;
  readonly #startedMs: number;
  readonly #entry: RunningProgram;
  readonly #running: Set<RunningProgram>;
  readonly #cancels: (() => void)[] = [];
  #exit: (exit: Exit) => void = () => {};

  constructor(request: ExecutionRequest, worker: Process, running: Set<RunningProgram>) {
    const { world } = worker;
    this.id = request.id;
    this.#world = world;
    this.#worker = worker;
    this.#request = request;
    this.#behaviour = drawBehaviour(world);
    this.#ignoresTerm = world.chance(world.plan.stepIgnoresTerm);
    this.#startedMs = world.nowMs;
    this.#entry = { attempt: request.id, worker, isStuck: this.#behaviour === 'stuck' };
    this.#running = running;
    running.add(this.#entry);
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
    world.tell(() => `${worker.name} starts ${request.id} which ${this.#behaviour}`);
    if (this.#behaviour === 'stuck') return;
    this.#later(request.limits.wallMs, () => this.#askToEnd('timeout', request.limits.graceMs ?? 0));
    if (this.#behaviour !== 'hangs') this.#later(drawDurationMs(world), () => void this.#end());
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#behaviour !== 'stuck') this.#askToEnd('stopped', graceMs);
    await this.exited;
  }

  #askToEnd(reason: 'timeout' | 'stopped', graceMs: number): void {
    const exit = { signal: this.#ignoresTerm ? 'SIGKILL' : 'SIGTERM', detail: 'the limit was over' };
    if (this.#ignoresTerm) this.#world.fault('step ignores SIGTERM', this.id);
    this.#later(this.#ignoresTerm ? graceMs : 5, () => this.#over(reason, exit));
  }

  async #end(): Promise<void> {
    const behaviour = this.#behaviour;
    if (behaviour === 'killed') return this.#over('signalled', { signal: 'SIGKILL' });
    if (behaviour === 'fails') return this.#over('exited', { code: 1 });
    try {
      if (behaviour !== 'writes nothing') await this.#write();
      this.#over('exited', { code: 0 });
    } catch {
      this.#over('exited', { code: 2 });
    }
  }

  /** What a program writes depends on its command, its inputs and the name of the output, and on nothing else. */
  async #write(): Promise<void> {
    const { env, command } = this.#request;
    const inputs = Object.keys(env)
      .filter((name) => name.startsWith('KEDGE_INPUT_'))
      .map((name) => [name.slice('KEDGE_INPUT_'.length).toLowerCase(), digestAt(env[name] ?? '')] as const);
    // A step that is not cached may write something else each time, so that its outputs tell whose they are.
    const attempt = command.includes('own') ? this.id : null;
    for (const [name, path] of Object.entries(env)) {
      if (!name.startsWith('KEDGE_OUTPUT_')) continue;
      const output = name.slice('KEDGE_OUTPUT_'.length).toLowerCase();
      await writeFile(path, contentOf({ command, inputs: Object.fromEntries(inputs), output, attempt }));
    }
  }

  #later(delayMs: number, run: () => void): void {
    this.#cancels.push(this.#world.at(delayMs, run));
  }

  #over(reason: Exit['reason'], exit: Partial<Exit>): void {
    if (!this.#running.delete(this.#entry)) return;
    for (const cancel of this.#cancels) cancel();
    this.#world.tell(() => `${this.#worker.name} sees the end of ${this.id}: ${reason}`);
    const durationMs = this.#world.nowMs - this.#startedMs;
    if (this.#worker.alive) this.#exit({ reason, durationMs, outputBytes: 0, outputBytesCut: 0, ...exit });
  }
}

/** The content of an output, which a checker can tell from what was recorded of its step. */
export function contentOf(of: {
  readonly command: readonly string[];
  readonly inputs: Readonly<Record<string, string>>;
  readonly output: string;
  readonly attempt: string | null;
}): string {
  return canonicalJson({ ...of, command: [...of.command] });
}

function drawBehaviour(world: World): Behaviour {
  const { stepFails, stepKilled, stepWritesNothing, stepHangs, workerStuck } = world.plan;
  const draws: readonly (readonly [number, Behaviour, Fault])[] = [
    [stepFails, 'fails', 'step fails'],
    [stepKilled, 'killed', 'step killed'],
    [stepWritesNothing, 'writes nothing', 'step writes nothing'],
    [stepHangs, 'hangs', 'step hangs'],
    [workerStuck, 'stuck', 'worker stuck but beating'],
  ];
  for (const [probability, behaviour, fault] of draws) {
    if (!world.chance(probability)) continue;
    world.fault(fault, 'a process');
    return behaviour;
  }
  return 'works';
}

function drawDurationMs(world: World): number {
  if (!world.chance(world.plan.stepSlow)) return world.between(1, 1_500);
  world.fault('step slow', 'a process');
  return world.between(3_000, 14_000);
}
