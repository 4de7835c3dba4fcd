import assert from 'node:assert/strict';
import { test } from 'node:test';
import { automationContract } from '#automation/contract';
import { datasetsContract } from '#datasets/contract';
import { featuresContract } from '#features/contract';
import { governanceContract } from '#governance/contract';
import { monitoringContract } from '#monitoring/contract';
import { backfillsContract } from '#pipelines/backfills/contract';
import { pipelinesContract, workContract } from '#pipelines/contract';
import { schedulesContract } from '#pipelines/schedules/contract';
import { triggersContract } from '#pipelines/triggers/contract';
import { accountsContract } from '#platform/accounts/contract';
import { activityContract } from '#platform/activity/contract';
import { auditContract } from '#platform/audit/contract';
import { openApi } from '#platform/http';
import { resourcesContract } from '#platform/resources/contract';
import { bomContract } from '#registry/bom/contract';
import { registryContract } from '#registry/contract';
import { signingContract } from '#registry/signing/contract';
import { servingContract } from '#serving/contract';
import { fuzzRoutes, stubbed } from '#testing/route-fuzz';
import { trackingContract } from '#tracking/contract';

const CONTRACTS = [
  accountsContract,
  activityContract,
  auditContract,
  resourcesContract,
  datasetsContract,
  featuresContract,
  trackingContract,
  registryContract,
  signingContract,
  bomContract,
  pipelinesContract,
  workContract,
  schedulesContract,
  backfillsContract,
  triggersContract,
  servingContract,
  monitoringContract,
  automationContract,
  governanceContract,
];

fuzzRoutes('Every route of the API', stubbed(CONTRACTS));

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly responses: Readonly<Record<string, unknown>>;
}

interface Description {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const description = JSON.parse(JSON.stringify(openApi(CONTRACTS, '1.2.3')));

function operations(): { readonly path: string; readonly method: string; readonly operation: Operation }[] {
  return Object.entries((description as Description).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

test('the description of the API has every route once, under an identifier of its own', () => {
  const routes = CONTRACTS.flatMap((contract) => Object.values(contract));
  const ids = operations().map(({ operation }) => operation.operationId);

  assert.equal(description.openapi, '3.1.0');
  assert.equal(ids.length, routes.length);
  assert.equal(new Set(ids).size, ids.length);
});

test('every path parameter of the description is declared, and is in the path', () => {
  for (const { path, operation } of operations()) {
    const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
    const declared = operation.parameters.filter((parameter) => parameter.in === 'path');
    assert.deepEqual(declared.map((parameter) => parameter.name).sort(), inPath.sort(), path);
    assert.ok(declared.every((parameter) => parameter.required));
    assert.doesNotMatch(path, /:/);
  }
});

test('every reference of the description resolves inside it', () => {
  const references = [...JSON.stringify(description).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] as string);

  assert.ok(references.length > 0);
  for (const reference of new Set(references)) {
    assert.ok(reference.startsWith('#/'), reference);
    const target = reference
      .slice(2)
      .split('/')
      .reduce<unknown>((at, key) => at && Reflect.get(Object(at), key.replaceAll('~1', '/')), description);
    assert.ok(target, reference);
  }
});

test('a required query parameter is one without which the request is refused', () => {
  const optional = operations().find(({ operation }) => operation.operationId === 'searchAudit')?.operation.parameters;
  const required = operations().find(({ operation }) => operation.operationId === 'readFeatures')?.operation.parameters;

  assert.ok(optional?.every((parameter) => !parameter.required));
  assert.deepEqual(
    required?.filter((parameter) => parameter.in === 'query').map(({ name, required: is }) => [name, is]),
    [
      ['entity', true],
      ['at', true],
    ],
  );
});
