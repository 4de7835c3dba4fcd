/** How often a turn polls for further requests at most, and how many polls in a row that bring none end it. */
const POLLS_MAX = 8;
const DRY_POLLS = 2;

/**
 * Calls `end` when polling the sockets brings nothing more: requests that arrive while others are read join them, and
 * share the write of the record that all of them wait for. `arrived` counts them. There is no timer, and a poll that
 * finds nothing takes about a microsecond.
 */
export function atEndOfTurn({ arrived, end }: { readonly arrived: () => number; readonly end: () => void }): void {
  const poll = (polls: number, dry: number): void => {
    const before = arrived();
    setImmediate(() => {
      const dryLeft = arrived() > before ? DRY_POLLS : dry - 1;
      if (polls > 1 && dryLeft > 0) poll(polls - 1, dryLeft);
      else end();
    });
  };
  poll(POLLS_MAX, DRY_POLLS);
}
