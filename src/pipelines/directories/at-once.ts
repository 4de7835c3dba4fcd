/** Files that are stored or copied at a time. */
const AT_ONCE = 8;

/** Does something with each item, a few at a time. After a failure nothing further is begun. */
export async function atOnce<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const waiting = items.values();
  let isBroken = false;
  const lane = async (): Promise<void> => {
    for (const item of waiting) {
      if (isBroken) return;
      try {
        await work(item);
      } catch (error) {
        isBroken = true;
        throw error;
      }
    }
  };
  // All lanes end before this does, so that nobody writes to a folder that is being removed.
  const ended = await Promise.allSettled(Array.from({ length: AT_ONCE }, lane));
  for (const lane of ended) if (lane.status === 'rejected') throw lane.reason;
}
