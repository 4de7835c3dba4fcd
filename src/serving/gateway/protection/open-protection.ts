import { assert } from '#core/assert';
import { KedgeError } from '#core/errors';
import type { System } from '#core/system';
import type { Logger, Metrics } from '#platform/observe';
import type { SharedState } from '#ports/shared-state';
import type { Siblings } from '../processes/siblings.ts';
import { isLoopback } from './access/local-origin.ts';
import { type AccessOptions, type OpenedDoor, openDoor } from './access/open-door.ts';
import type { ProtectionDeps } from './endpoint-protection.ts';

export interface ProtectionOptions {
  readonly host: string;
  readonly access?: AccessOptions | undefined;
  readonly shared?: SharedState | undefined;
  readonly siblings?: Pick<Siblings, 'counts' | 'count'> | undefined;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What protects a gateway as a whole. */
export interface Protection extends OpenedDoor {
  /** What the protection of its endpoints uses. */
  readonly deps: ProtectionDeps;
  /** Counts a request that was not answered. */
  refused(error: unknown): void;
}

export function openProtection(options: ProtectionOptions): Protection {
  const { host, access, shared, siblings, system, logger, metrics } = options;
  assert(access || isLoopback(host), `a gateway at ${host} has to be told whom to let in`);
  const { clock } = system;
  const refusals = metrics.counter('kedge_gateway_refusals_total', 'Requests that were not answered, by error code.', [
    'code',
  ]);
  const failures = metrics.counter(
    'kedge_gateway_shared_state_failures_total',
    'Requests for which the state that gateways share could not be reached.',
    [],
  );
  const looks = metrics.counter('kedge_gateway_cache_total', 'Predictions of endpoints that keep answers.', [
    'outcome',
  ]);
  return {
    ...openDoor(access ?? { kind: 'local' }, { clock, logger }),
    deps: {
      ...{ clock, shared, counts: siblings?.counts, processes: siblings?.count },
      onSharedDown: () => failures.inc(),
      onLook: (outcome) => looks.inc({ outcome }),
    },
    refused: (error) => refusals.inc({ code: error instanceof KedgeError ? error.code : 'gateway/internal' }),
  };
}
