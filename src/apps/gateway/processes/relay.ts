import type { Answers, Inherited, Question } from '#serving';
import { errorTold, type ToldError, toldError } from './messages.ts';

type Answer = Answers[Question['ask']];

interface Open {
  readonly question: Question;
  readonly answers: Answer[];
  /** Processes that have not answered. */
  readonly awaited: Map<unknown, number>;
  readonly done: (answers: readonly Answer[]) => void;
  readonly failed: (error: Error) => void;
}

/** One process as it can be asked. */
export interface Asked {
  readonly place: number;
  send(id: number, question: Question): void;
}

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
  #ids = 0;

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
    if (question.ask === 'load' || question.ask === 'unload') {
      // Those that start have been given what is replayed already.
      for (const [member, state] of this.#members) if (state === 'starting') member.send(0, question);
    }
    return new Promise<readonly Answer[]>((done, failed) => {
      const awaited = new Map<unknown, number>(serving.map((member) => [member, member.place]));
      const open: Open = { question, answers: this.#ofAbsent(question, serving), awaited, done, failed };
      this.#open.set(id, open);
      for (const member of serving) member.send(id, question);
      this.#settle(id, open);
    });
  }

  answered(member: Asked, id: number, answer: Answer): void {
    const open = this.#open.get(id);
    if (!open?.awaited.delete(member)) return;
    const { ask } = open.question;
    if (ask === 'metrics' || ask === 'statistics') {
      this.#counts.set(member.place, { ...this.#counts.get(member.place), [ask]: answer });
    }
    open.answers.push(answer);
    this.#settle(id, open);
  }

  refused(member: Asked, id: number, error: ToldError): void {
    const open = this.#open.get(id);
    if (!open?.awaited.delete(member)) return;
    this.#open.delete(id);
    open.failed(errorTold(error));
  }

  /** The process is no more. What it had counted stands for it; what it was to load is told to the one after it. */
  left(member: Asked): void {
    this.#members.delete(member);
    for (const [id, open] of this.#open) {
      if (!open.awaited.delete(member)) continue;
      if (open.question.ask === 'flush') {
        this.#open.delete(id);
        open.failed(errorTold(toldError(new Error(`process ${member.place} ended and is started again`))));
        continue;
      }
      open.answers.push(...this.#countsOf(member.place, open.question));
      this.#settle(id, open);
    }
  }

  #settle(id: number, { awaited, question, answers, done }: Open): void {
    if (awaited.size > 0) return;
    this.#open.delete(id);
    if (question.ask === 'load' || question.ask === 'unload') this.#remember(question);
    done(answers);
  }

  /** What processes that do not serve at this moment had counted. */
  #ofAbsent(question: Question, serving: readonly Asked[]): Answer[] {
    const present = new Set(serving.map(({ place }) => place));
    return [...this.#counts.keys()].filter((place) => !present.has(place)).flatMap((p) => this.#countsOf(p, question));
  }

  #countsOf(place: number, { ask }: Question): Answer[] {
    const counts = ask === 'metrics' || ask === 'statistics' ? this.#counts.get(place)?.[ask] : undefined;
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
