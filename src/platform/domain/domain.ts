import type { System } from '#core/system';
import type { Database } from '#platform/db';
import type { Consumer } from '#platform/events';
import type { ProtocolGroup, RouteGroup } from '#platform/http';
import type { Logger, Metrics } from '#platform/observe';
import type { Resources } from '#platform/resources';
import type { Job } from './jobs.ts';

/** What every domain may use. Ports that only some need are named beside it in the domain's own dependencies. */
export interface DomainDeps {
  readonly db: Database;
  readonly resources: Resources;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What a domain contributes to the control plane, beside the service that other domains call. */
export interface DomainParts {
  readonly routes: readonly RouteGroup[];
  /** Routes of protocols that others defined. */
  readonly protocols?: readonly ProtocolGroup[];
  readonly consumers: readonly Consumer[];
  readonly jobs: readonly Job[];
}
