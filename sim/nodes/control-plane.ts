import { pino } from 'pino';
import { KedgeError } from '#core/errors';
import { createPipelines, pipelineKinds, pipelineRunFinished } from '#pipelines';
import { DEFAULT_PROJECT, objectAccess } from '#platform/access';
import type { RouteSpec } from '#platform/contract';
import { Database } from '#platform/db';
import { Leader, startJobs } from '#platform/domain';
import { type Consumer, Relay } from '#platform/events';
import type { RouteGroup } from '#platform/http';
import { createMetrics, type Logger } from '#platform/observe';
import { Resources, resourceHandlers } from '#platform/resources';
import { type Blobs, blobsOf } from '../world/blobs.ts';
import type { Message, Server } from '../world/network.ts';
import type { Process } from '../world/process.ts';
import { openProcessStore, type SharedDatabase } from '../world/store.ts';

const LEASE_MS = 4_000;
const TRANSFER_MS = 20_000;

export interface ControlPlaneDeps {
  readonly shared: SharedDatabase;
  readonly blobs: Blobs;
}

const metrics = createMetrics('sim');
/** Who asks: permissions are the business of the HTTP server, which is not part of the world. */
const ACTOR = { id: 'user:ada', roles: ['admin'] };
const KNOWN = {
  actor: ACTOR,
  requestId: 'req_sim',
  project: DEFAULT_PROJECT,
  access: objectAccess(ACTOR, DEFAULT_PROJECT, new Map()),
};

/** A control plane: the product's own service, store, jobs, routes and relay in a process that may die. */
export function startControlPlane(process: Process, { shared, blobs }: ControlPlaneDeps): Server {
  const { system } = process;
  const db = new Database(openProcessStore(process, shared), system);
  const resources = new Resources(db, pipelineKinds);
  const logger = listeningLogger(process);
  const deps = {
    db,
    resources,
    system,
    logger,
    metrics,
    blobs: blobsOf(process, blobs),
    leaseMs: LEASE_MS,
    transferMs: TRANSFER_MS,
  };
  const pipelines = createPipelines(deps);
  startJobs(pipelines.parts.jobs, { system, logger, leader: new Leader(db, system) });
  const followUp: Consumer = {
    name: 'sim/follow-up',
    types: [pipelineRunFinished.type],
    action: 'pipeline-run.start',
    async handle(tx, event) {
      const { run, pipeline, cause } = pipelineRunFinished.read(event);
      if (pipeline !== 'leader') return;
      const because = { kind: 'event', id: run, depth: cause.depth + 1 } as const;
      await pipelines.startRunIn(tx, { pipeline: 'follower', cause: because });
    },
  };
  const onError = (_consumer: string, _event: unknown, message: string): void => suspect(process, message);
  const nested = pipelines.parts.consumers.filter(({ name }) => name === 'pipelines.nested');
  const relay = new Relay({ db, system, consumers: [followUp, ...nested], pollMs: 1_000, onError });
  relay.start();
  return serverOf(process, [...pipelines.parts.routes, resourceHandlers(resources)]);
}

/** Answers as the HTTP server does: input is validated by the contract, then the handler of the route runs. */
function serverOf(process: Process, groups: readonly RouteGroup[]): Server {
  const routes = new Map(
    groups.flatMap(({ routes, handlers }) =>
      Object.entries(routes).map(([name, spec]) => [name, { spec, handler: handlers[name] }] as const),
    ),
  );
  return {
    process,
    async handle(message) {
      const route = routes.get(message.name);
      if (!route?.handler) throw new Error(`there is no route ${message.name}`);
      const context = { ...KNOWN, action: route.spec.audit ?? message.name };
      try {
        return await route.handler(inputOf(route.spec, message) as never, context);
      } catch (error) {
        if (!(error instanceof KedgeError)) suspect(process, `${message.name}: ${String(error)}`);
        throw error;
      }
    },
  };
}

function inputOf(spec: RouteSpec, { params, query, body }: Message): Record<string, unknown> {
  return {
    ...(spec.params ? { params: spec.params.parse(params ?? {}) } : {}),
    ...(spec.query ? { query: spec.query.parse(query ?? {}) } : {}),
    ...(spec.body ? { body: spec.body.parse(body) } : {}),
  };
}

/** The product's own assertions are invariants too. What a full disk does is expected. */
function suspect({ world, name, alive }: Process, message: string): void {
  // What a dead process would have said, nobody has heard.
  if (!alive) return;
  if (/disk that holds the database is full/.test(message)) return;
  world.violated({ invariant: 0, message: `${name}: ${message}` });
}

function listeningLogger(process: Process): Logger {
  const write = (line: string): void => {
    const { level, msg } = JSON.parse(line) as { level: number; msg: string };
    if (level >= 50) suspect(process, msg);
  };
  return pino({ level: 'error', base: null, timestamp: false }, { write });
}
