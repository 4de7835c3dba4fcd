import type { Socket } from 'node:net';
import type { Protocol } from '#serving';

/** Hands a connection to a process. */
export type Hand = (id: number, protocol: Protocol, socket: Socket) => void;

interface Handed {
  readonly protocol: Protocol;
  readonly socket: Socket;
}

interface Member {
  readonly hand: Hand;
  /** Handed over, and not yet told to be there. */
  readonly waiting: Map<number, Handed>;
  readonly open: Record<Protocol, number>;
}

/** Connections of one process above the mean that are not worth moving. */
const SURPLUS_MIN = 2;

/**
 * Spreads connections over processes: each goes to the one that has the fewest of its protocol. A connection is kept
 * here until its process has told that it is there, so one that was on its way to a process that died goes to another.
 */
export class Dispatcher<Key> {
  readonly #members = new Map<Key, Member>();
  readonly #connectionsMax: number;
  #unplaced: Handed[] = [];
  #ids = 0;

  constructor(connectionsMax: number) {
    this.#connectionsMax = connectionsMax;
  }

  /** From now on the process takes connections, those first that waited for anybody. */
  join(key: Key, hand: Hand): void {
    this.#members.set(key, { hand, waiting: new Map(), open: { http: 0, grpc: 0 } });
    const unplaced = this.#unplaced;
    this.#unplaced = [];
    for (const { protocol, socket } of unplaced) this.offer(protocol, socket);
  }

  /** The process takes no more connections; those that it has not taken go to others. */
  leave(key: Key): void {
    const member = this.#members.get(key);
    this.#members.delete(key);
    for (const { protocol, socket } of member?.waiting.values() ?? []) this.offer(protocol, socket);
  }

  offer(protocol: Protocol, socket: Socket): void {
    if (socket.destroyed) return;
    if (this.#total >= this.#connectionsMax) {
      socket.destroy();
      return;
    }
    const [member] = [...this.#members.values()].sort((a, b) => a.open[protocol] - b.open[protocol]);
    if (!member) {
      this.#unplaced.push({ protocol, socket });
      return;
    }
    const id = ++this.#ids;
    member.waiting.set(id, { protocol, socket });
    member.open[protocol] += 1;
    member.hand(id, protocol, socket);
  }

  /** The connection is with its process: this end lets go of it. */
  taken(key: Key, id: number): void {
    const waiting = this.#members.get(key)?.waiting;
    waiting?.get(id)?.socket.destroy();
    waiting?.delete(id);
  }

  closed(key: Key, protocol: Protocol): void {
    const member = this.#members.get(key);
    if (member) member.open[protocol] -= 1;
  }

  /** Connections that the process has. */
  connections(key: Key): number {
    const { http = 0, grpc = 0 } = this.#members.get(key)?.open ?? {};
    return http + grpc;
  }

  /** How many connections over HTTP each process has above the mean, where that is worth a move. */
  *surplus(): Iterable<readonly [Key, number]> {
    let http = 0;
    for (const { open } of this.#members.values()) http += open.http;
    const mean = http / this.#members.size;
    for (const [key, { open }] of this.#members) {
      const above = Math.floor(open.http - mean);
      if (above >= SURPLUS_MIN) yield [key, above];
    }
  }

  /** Lets go of what waits for a process. */
  close(): void {
    for (const { socket } of this.#unplaced) socket.destroy();
    this.#unplaced = [];
  }

  get #total(): number {
    let total = this.#unplaced.length;
    for (const { open } of this.#members.values()) total += open.http + open.grpc;
    return total;
  }
}
