import type { Clock } from '#core/clock';
import type { Answers, Inherited, Question } from '#serving';
import { errorTold, processErrors, type ToldError } from './messages.ts';

type Answer = Answers[Question['ask']];

interface Open {
  readonly question: Question;
  readonly answers: Answer[];
  /** Processes that have not answered. */
  readonly awaited: Set<Asked>;
  readonly done: (answers: readonly Answer[]) => void;
  readonly failed: (error: Error) => void;
  cancelLimit?: () => void;
}

/** One process as it can be asked. */
export interface Asked {
  readonly place: number;
  send(id: number, question: Question): void;
}

/** A process that has not told its counts by then is taken to have what it last told. */
const COUNTS_WITHIN_MS = 5_000;
/** Of all contents that clients sent with loads and that a new process is given again. */
const REPLAY_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Puts what one process asks to all of them. What a process has counted is remembered, so that counts never fall when
 * it dies: until its successor answers, and goes on from there, the last answer stands for it. What clients load and
 * unload is remembered too, by model, for processes that are started later.
 */
export class Relay {
  readonly #members = new Map<Asked, 'starting' | 'serving'>();
  readonly #counts = new Map<number, { metrics?: Answers['metrics']; statistics?: Answers['statistics'] }>();
  readonly #open = new Map<number, Open>();
  readonly #controls = new Map<string, Extract<Question, { ask: 'load' | 'unload' }>>();
  readonly #clock: Pick<Clock, 'after'>;
  /** How many processes there are when all run. */
  readonly #count: number;
  #ids = 0;

  constructor(clock: Pick<Clock, 'after'>, count: number) {
    this.#clock = clock;
    this.#count = count;
  }

  began(member: Asked): void {
    this.#members.set(member, 'starting');
  }

  serves(member: Asked): void {
    this.#members.set(member, 'serving');
  }

  /** What the process before at this place had counted. */
  inherited(place: number): Inherited {
    const { metrics = [], statistics = [] } = this.#counts.get(place) ?? {};
    return { metrics, statistics };
  }

  get replay(): readonly Question[] {
    return [...this.#controls.values()];
  }

  /** The answers of all that serve. Rejects with what one of them rejects with. */
  ask(question: Question): Promise<readonly Answer[]> {
    const id = ++this.#ids;
    const serving = [...this.#members].filter(([, state]) => state === 'serving').map(([member]) => member);
    if (question.ask === 'flush' && serving.length < this.#count) {
      return Promise.reject(
        processErrors.ended('a process is being started, which has to send what it finds recorded'),
      );
    }
    if (question.ask === 'load' || question.ask === 'unload') {
      // Those that start have been given what is replayed already.
      for (const [member, state] of this.#members) if (state === 'starting') member.send(0, question);
    }
    return new Promise<readonly Answer[]>((done, failed) => {
      const open: Open = {
        ...{ question, answers: this.#ofAbsent(question, serving), done, failed },
        awaited: new Set(serving),
      };
      this.#open.set(id, open);
      for (const member of serving) member.send(id, question);
      if (isCount(question)) open.cancelLimit = this.#clock.after(COUNTS_WITHIN_MS, () => this.#goWithout(id, open));
      this.#settle(id, open);
    });
  }

  /** A process that hangs must not hide what the others have counted. */
  #goWithout(id: number, open: Open): void {
    for (const { place } of open.awaited) open.answers.push(...this.#countsOf(place, open.question));
    open.awaited.clear();
    this.#settle(id, open);
  }

  answered(member: Asked, id: number, answer: Answer): void {
    const open = this.#open.get(id);
    if (!open?.awaited.delete(member)) return;
    const { question } = open;
    if (isCount(question)) {
      this.#counts.set(member.place, { ...this.#counts.get(member.place), [question.ask]: answer });
    }
    open.answers.push(answer);
    this.#settle(id, open);
  }

  refused(member: Asked, id: number, error: ToldError): void {
    const open = this.#open.get(id);
    if (!open?.awaited.delete(member)) return;
    this.#open.delete(id);
    open.cancelLimit?.();
    open.failed(errorTold(error));
  }

  /** The process is no more. What it had counted stands for it; what it was to load is told to the one after it. */
  left(member: Asked): void {
    this.#members.delete(member);
    for (const [id, open] of this.#open) {
      if (!open.awaited.delete(member)) continue;
      if (open.question.ask === 'flush') {
        this.#open.delete(id);
        open.failed(processErrors.ended(`process ${member.place} ended and is started again; try again`));
        continue;
      }
      open.answers.push(...this.#countsOf(member.place, open.question));
      this.#settle(id, open);
    }
  }

  #settle(id: number, { awaited, question, answers, done, cancelLimit }: Open): void {
    if (awaited.size > 0) return;
    cancelLimit?.();
    this.#open.delete(id);
    if (question.ask === 'load' || question.ask === 'unload') this.#remember(question);
    done(answers);
  }

  /** What processes that do not serve at this moment had counted. */
  #ofAbsent(question: Question, serving: readonly Asked[]): Answer[] {
    const present = new Set(serving.map(({ place }) => place));
    return [...this.#counts.keys()].filter((place) => !present.has(place)).flatMap((p) => this.#countsOf(p, question));
  }

  #countsOf(place: number, question: Question): Answer[] {
    const counts = isCount(question) ? this.#counts.get(place)?.[question.ask] : undefined;
    return counts ? [counts] : [];
  }

  #remember(control: Extract<Question, { ask: 'load' | 'unload' }>): void {
    this.#controls.delete(control.model);
    this.#controls.set(control.model, control);
    let bytes = 0;
    for (const [model, kept] of [...this.#controls].reverse()) {
      for (const { length } of 'files' in kept ? kept.files.values() : []) bytes += length;
      if (bytes > REPLAY_BYTES_MAX) this.#controls.delete(model);
    }
  }
}

function isCount(question: Question): question is Extract<Question, { ask: 'metrics' | 'statistics' }> {
  return question.ask === 'metrics' || question.ask === 'statistics';
}
