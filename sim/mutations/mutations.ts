/** A deliberate defect: pieces of the product's source and what stands there instead. */
export interface Mutation {
  /** What the broken product does. */
  readonly name: string;
  /** Any of these invariants may be the first that is seen to break. */
  readonly breaks: readonly number[];
  /** A world in which it was seen, when it is seen in few: that is played first, and only then the others. */
  readonly seed?: number;
  readonly patches: readonly Patch[];
}

export interface Patch {
  /** Below `src`. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly find: string;
  readonly replace: string;
}

const MODEL = 'pipelines/model.ts';
const FINISH = 'pipelines/service/finish.ts';
const SERVICE = 'pipelines/service/service.ts';
const DATABASE = 'platform/db/database.ts';

/** What a simulation has to find, or it finds nothing. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'a report of an older epoch is accepted',
    breaks: [0, 1, 2],
    seed: 37,
    patches: [
      {
        file: MODEL,
        find: "step.status !== 'running' || step.epoch !== fact.epoch",
        replace: "step.status !== 'running'",
      },
      { file: FINISH, find: "if (attempt.status !== 'running') return {", replace: 'if (!attempt) return {' },
    ],
  },
  {
    name: 'a heartbeat does not extend the lease',
    breaks: [8],
    seed: 57,
    patches: [
      {
        file: SERVICE,
        find: 'if (!cancel && !isOverdue) await extendLease',
        replace: 'if (!attempt) await extendLease',
      },
    ],
  },
  {
    name: 'a worker that is stuck keeps its step for as long as it is heard',
    breaks: [4],
    patches: [{ file: SERVICE, find: 'if (!cancel && !isOverdue)', replace: 'if (isOverdue || !isOverdue)' }],
  },
  {
    name: 'times of a wrong clock are not corrected',
    breaks: [4],
    patches: [{ file: 'pipelines/jobs.ts', find: 'await service.correctTimes();', replace: '' }],
  },
  {
    name: 'events are written after the commit of what they tell',
    breaks: [2, 4],
    seed: 13,
    patches: [
      {
        file: DATABASE,
        find: 'let published: readonly PublishedEvent[] = [];',
        replace: 'let published: readonly PublishedEvent[] = []; let later = async () => {};',
      },
      {
        file: DATABASE,
        find: 'published = await appendLogs(trx, { time: now, audit: drafts, events, ends });',
        replace:
          'await appendLogs(trx, { time: now, audit: drafts, events: [], ends }); if (events.length > 0)' +
          ' later = async () => void (published = await' +
          ' this.#store.transaction((own) => appendLogs(own, { time: now, audit: [], events })));',
      },
      {
        file: DATABASE,
        find: 'if (published.length > 0) for',
        replace: 'await later(); if (published.length > 0) for',
      },
    ],
  },
  {
    name: 'a step is ended in another transaction than its attempt',
    breaks: [0, 1],
    patches: [
      {
        file: SERVICE,
        find: '    this.#wake.all();\n    return finished;',
        replace:
          '    await db.maintain((tx) => endAttempt(tx.db, attemptId, { status: finished.status, now: tx.now }));' +
          'this.#wake.all(); return finished;',
      },
      {
        file: SERVICE,
        find: "import { Wake } from '../wake.ts';",
        replace: "import { Wake } from '../wake.ts'; import { endAttempt } from '../store/attempts.ts';",
      },
      {
        file: FINISH,
        find:
          'await endAttempt(tx.db, attempt.attempt, ' +
          '{ status, now: tx.now, error, usage: report.usage, place: body.place });',
        replace: '',
      },
    ],
  },
  {
    name: 'an expired lease is not looked at again before it is taken',
    breaks: [8],
    seed: 22,
    patches: [
      { file: FINISH, find: ' || attempt.leaseUntil >= tx.now) return;', replace: ') return;' },
      // The coincidence that shows it is rare, unless there is time for a heartbeat in between.
      {
        file: SERVICE,
        find: 'for (const { attempt, run, step, worker, instance } of expired) {',
        replace:
          'await new Promise((resolve) => system.clock.after(1_000, () => resolve(undefined)));' +
          'for (const { attempt, run, step, worker, instance } of expired) {',
      },
    ],
  },
  {
    name: 'twins run at the same time',
    breaks: [9],
    patches: [{ file: 'pipelines/store/queue.ts', find: "'=', 's.cache_key')", replace: "'=', 's.run')" }],
  },
  {
    name: 'a twin is answered although it is not queued any more',
    breaks: [0, 2],
    patches: [
      {
        file: 'pipelines/store/queue.ts',
        find: ".where('cache_key', '=', key)\n    .where('status', '=', 'queued')",
        replace: ".where('cache_key', '=', key)",
      },
      { file: FINISH, find: "if (!run || found?.status !== 'queued') continue;", replace: 'if (!run) continue;' },
    ],
  },
  {
    name: 'a failure is counted twice',
    breaks: [4],
    patches: [{ file: MODEL, find: "(fact.type === 'failed' ? 1 : 0)", replace: "(fact.type === 'failed' ? 2 : 0)" }],
  },
  {
    name: 'what needs a failed step is not skipped',
    breaks: [4],
    patches: [{ file: MODEL, find: 'while (this.#skipDependants()) {', replace: 'while (this.#changed.size < 0) {' }],
  },
  {
    name: 'a cancel forgets the steps that wait for others',
    breaks: [0, 3, 4],
    patches: [
      {
        file: MODEL,
        find: "if (waits) draft.move(step, 'cancelled'",
        replace: "if (waits && step.readyAt !== null) draft.move(step, 'cancelled'",
      },
    ],
  },
  {
    name: 'a step starts when one of those that it needs is done',
    breaks: [0, 2],
    patches: [
      {
        file: MODEL,
        find: 'step.needs.every((name) => this.#isDone(name))',
        replace: '(step.needs.length === 0 || step.needs.some((name) => this.#isDone(name)))',
      },
    ],
  },
  {
    name: 'two relays deliver one event twice',
    breaks: [2],
    patches: [
      {
        file: 'platform/events/relay.ts',
        find: 'if ((await cursorOf(tx.db, consumer.name)) >= event.seq) return;',
        replace: '',
      },
    ],
  },
  {
    name: 'a worker that leaves keeps the lease of what it gave back',
    breaks: [1],
    seed: 28,
    patches: [
      {
        file: FINISH,
        find: "await endAttempt(tx.db, attempt.attempt, { status: advanced.attempt ?? 'released', now: tx.now });",
        replace: '',
      },
    ],
  },
  {
    name: 'a goodbye takes the steps of whoever has the name since',
    breaks: [5],
    seed: 58,
    patches: [{ file: 'pipelines/store/attempts.ts', find: ".where('instance', '=', instance)", replace: '' }],
  },
  {
    name: 'a step is tried again when its time is over',
    breaks: [16],
    patches: [
      { file: MODEL, find: 'draft.paused || isOverdue(step, fact.now)', replace: 'draft.paused' },
      {
        file: MODEL,
        find: "else if (!isOverdue(step, readyAt)) draft.move(step, 'queued'",
        replace: "else draft.move(step, 'queued'",
      },
      {
        file: MODEL,
        find: "else draft.move(step, 'failed', { ...tried, reason: overdueWords({ ...step, reason }) });",
        replace: '',
      },
      {
        file: 'pipelines/store/step-times.ts',
        find: ".where('deadline_at', '<=', now)",
        replace: ".where('deadline_at', '<', 0)",
      },
    ],
  },
  {
    name: 'a step stays pre-emptible for ever',
    breaks: [17],
    seed: 21,
    patches: [
      {
        file: 'pipelines/store/step-state.ts',
        find: 'if (!isPreemptedForGood(step)) return;',
        replace: 'if (step.epoch >= 0) return;',
      },
    ],
  },
  {
    name: 'a pre-emption counts as a loss too',
    breaks: [4],
    seed: 10,
    patches: [{ file: MODEL, find: "fact.type === 'expired' && !isPreempted", replace: "fact.type === 'expired'" }],
  },
  {
    name: 'a run is cancelled while a run inside it goes on',
    breaks: [0, 20],
    seed: 15,
    patches: [
      {
        file: 'pipelines/service/advance.ts',
        find: 'if (children.some(({ cause }) => cause.within?.step === name)) continue;',
        replace: '',
      },
    ],
  },
  {
    name: 'the end of a run inside another is not told to its step',
    breaks: [19],
    seed: 7,
    patches: [
      {
        file: 'pipelines/service/advance.ts',
        find: 'await endStepOf(tx, { ...run, status, reason, outputs });',
        replace: '',
      },
    ],
  },
  {
    name: 'more units are runs at a time than their step says',
    breaks: [19],
    seed: 7,
    patches: [
      {
        file: 'pipelines/store/units.ts',
        find: 'concurrency - Number(running?.units ?? 0)',
        replace: 'concurrency + 0 * Number(running?.units ?? 0)',
      },
    ],
  },
  {
    name: 'units that wait are forgotten when a run of one ends',
    breaks: [4],
    seed: 7,
    patches: [
      {
        file: 'pipelines/service/advance.ts',
        find: 'if (unit.epoch === 0 && (await definitionOf(tx.db, run.run, unit.name)).pipeline) emitDue(',
        replace: 'if (tx === undefined) emitDue(',
      },
    ],
  },
  {
    name: 'units wait although one has failed that ends them',
    breaks: [14],
    seed: 70,
    patches: [
      {
        file: 'pipelines/service/advance.ts',
        find: 'await cancelUnits(tx.db, { run: run.run, step, reason }, tx.now);',
        replace: '',
      },
    ],
  },
  {
    name: 'a divided step ends with the first of its units',
    breaks: [0, 14],
    seed: 7,
    patches: [
      {
        file: 'pipelines/service/advance.ts',
        find: 'if (!(await hasOpenUnit(tx.db, run.run, step))) {\n    // It',
        replace: 'if (run.run !== step) {\n    // It',
      },
    ],
  },
  {
    name: 'workers lease units that are runs',
    breaks: [0, 19],
    seed: 7,
    patches: [
      {
        file: 'pipelines/store/units.ts',
        find: '...(of.nested ? {} : ',
        replace: '...(of.nested === undefined ? {} : ',
      },
    ],
  },
  {
    name: 'a program inside is given another input of its run',
    breaks: [22],
    seed: 7,
    patches: [
      {
        file: 'pipelines/service/start-run.ts',
        find: "reference?.kind === 'input' ? inputs[reference.name] : undefined",
        replace: "reference?.kind === 'input' ? Object.values(inputs)[0] : undefined",
      },
    ],
  },
  {
    name: 'a run inside is given what another step has',
    breaks: [22],
    seed: 7,
    patches: [
      {
        file: 'pipelines/nested/start.ts',
        find: 'given[name] = { ...artifact, from };',
        replace: 'given[name] = { ...(Object.values(artifacts)[0] ?? artifact), from };',
      },
    ],
  },
  {
    name: 'a dead leader is waited for',
    breaks: [4],
    seed: 8,
    patches: [
      { file: 'platform/domain/leader.ts', find: '|| held.until < now || held.until > now + LEASE_MS', replace: '' },
    ],
  },
  {
    name: 'a worker reports before the processes of the step have ended',
    breaks: [5],
    seed: 10,
    patches: [
      {
        file: 'apps/worker/attempt.ts',
        find: 'const exit = await this.#execution.exited;',
        replace:
          "const stopped = { reason: 'stopped', outputBytesCut: 0 };" +
          'const early = new Promise((resolve) => this.#options.system.clock.after(2_000, () => resolve(stopped)));' +
          'const exit = await Promise.race([this.#execution.exited, early]);',
      },
    ],
  },
  {
    name: 'all workers have one file in which they tell who they are',
    breaks: [8],
    patches: [
      {
        file: 'apps/worker/predecessor.ts',
        find: "JSON.parse(await readFile(join(scratchDir, FILE), 'utf8'))",
        replace: "JSON.parse(await readFile(join('/scratch', FILE), 'utf8'))",
      },
      {
        file: 'apps/worker/predecessor.ts',
        find: 'await writeFile(join(scratchDir, FILE)',
        replace: "await writeFile(join('/scratch', FILE)",
      },
    ],
  },
];
