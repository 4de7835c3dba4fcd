import { messageOf } from '#core/errors';
import { FeatureReader as OnlineReader } from '#features';
import type { Logger } from '#platform/observe';
import type { KeyValue } from '#ports/key-value';
import type { FeatureReader } from '#serving';

/**
 * The online features of the control plane's store. It is opened with the first read, because the control plane makes
 * it and the gateway may be the first to start; until it exists every read fails, and the next tries again.
 */
export function onlineFeatures(
  open: () => Promise<KeyValue>,
  logger: Logger,
): FeatureReader & { close(): Promise<void> } {
  let store: KeyValue | undefined;
  let reader: OnlineReader | undefined;
  let opening: Promise<OnlineReader> | undefined;
  const opened = async (): Promise<OnlineReader> => {
    try {
      store = await open();
      reader = new OnlineReader(store);
      return reader;
    } catch (error) {
      opening = undefined;
      logger.warn(`the online feature store cannot be opened: ${messageOf(error)}`);
      throw error;
    }
  };
  return {
    read(plan, entities, at) {
      if (reader) return reader.read(plan, entities, at);
      opening ??= opened();
      return opening.then((ready) => ready.read(plan, entities, at));
    },
    async close() {
      await opening?.catch(() => undefined);
      await store?.close();
    },
  };
}
