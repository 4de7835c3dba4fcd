import type { LineageDeps } from '#lineage';
import type { Config } from '#platform/config';
import { VERSION } from './serve.ts';

export function lineageSettings(config: Config): Pick<LineageDeps, 'identity' | 'endpoint' | 'token'> {
  return {
    identity: { namespace: config.openLineageNamespace, producer: config.openLineageProducer, version: VERSION },
    endpoint: config.openLineageUrl,
    token: config.openLineageToken,
  };
}
