/** Works on up to `width` items at the same time. The first failure ends it, once those that run have ended. */
export async function inParallel<T>(
  items: AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  const lane = async (): Promise<void> => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) await work(next.value);
  };
  const ended = await Promise.allSettled(Array.from({ length: width }, lane));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}
