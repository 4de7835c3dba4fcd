/** Which answers end their connection, so that its client connects anew, to another process or another gateway. */
export class KeepAlive {
  #toEnd = 0;

  /** Ends the connections of the next `count` answers. */
  end(count: number): void {
    this.#toEnd = Math.max(this.#toEnd, count);
  }

  /** Whether the connection of this answer goes on. */
  goesOn(): boolean {
    if (this.#toEnd === 0) return true;
    this.#toEnd -= 1;
    return false;
  }
}
