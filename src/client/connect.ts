import { automationContract } from '#automation/contract';
import { datasetsContract } from '#datasets/contract';
import { featuresContract } from '#features/contract';
import { governanceContract } from '#governance/contract';
import { lineageContract } from '#lineage/contract';
import { monitoringContract } from '#monitoring/contract';
import { backfillsContract } from '#pipelines/backfills/contract';
import { pipelinesContract } from '#pipelines/contract';
import { plansContract } from '#pipelines/plan/contract';
import { recordsContract } from '#pipelines/record/contract';
import { schedulesContract } from '#pipelines/schedules/contract';
import { triggersContract } from '#pipelines/triggers/contract';
import { accountsContract, sessionContract } from '#platform/accounts/contract';
import { activityContract } from '#platform/activity/contract';
import { auditContract } from '#platform/audit/contract';
import { type Client, createClient } from '#platform/contract';
import { resourcesContract } from '#platform/resources/contract';
import { bomContract } from '#registry/bom/contract';
import { registryContract } from '#registry/contract';
import { signingContract } from '#registry/signing/contract';
import { servingContract } from '#serving/contract';
import { trackingContract } from '#tracking/contract';

/** One typed client a domain: `kedge.datasets.commitBatch({...})`. An error reply is thrown as `ProblemError`. */
export interface Kedge {
  readonly url: string;
  readonly resources: Client<typeof resourcesContract>;
  readonly accounts: Client<typeof accountsContract>;
  readonly session: Client<typeof sessionContract>;
  readonly activity: Client<typeof activityContract>;
  readonly audit: Client<typeof auditContract>;
  readonly datasets: Client<typeof datasetsContract>;
  readonly features: Client<typeof featuresContract>;
  readonly tracking: Client<typeof trackingContract>;
  readonly registry: Client<typeof registryContract>;
  readonly signing: Client<typeof signingContract>;
  readonly bom: Client<typeof bomContract>;
  readonly pipelines: Client<typeof pipelinesContract>;
  readonly plans: Client<typeof plansContract>;
  readonly records: Client<typeof recordsContract>;
  readonly backfills: Client<typeof backfillsContract>;
  readonly schedules: Client<typeof schedulesContract>;
  readonly triggers: Client<typeof triggersContract>;
  readonly lineage: Client<typeof lineageContract>;
  readonly serving: Client<typeof servingContract>;
  readonly monitoring: Client<typeof monitoringContract>;
  readonly automation: Client<typeof automationContract>;
  readonly governance: Client<typeof governanceContract>;
}

export interface ConnectOptions {
  /** Of the control plane, such as `http://127.0.0.1:4600`; empty in a page that it serves. */
  readonly url: string;
  readonly token?: string | undefined;
  /** The project that requests are in; `default` unless told. */
  readonly project?: string | undefined;
  readonly fetch?: typeof fetch;
}

export function connect({ url, token, project, fetch }: ConnectOptions): Kedge {
  const options = { baseUrl: url, token, project, ...(fetch ? { fetch } : {}) };
  return {
    url,
    resources: createClient(resourcesContract, options),
    accounts: createClient(accountsContract, options),
    session: createClient(sessionContract, options),
    activity: createClient(activityContract, options),
    audit: createClient(auditContract, options),
    datasets: createClient(datasetsContract, options),
    features: createClient(featuresContract, options),
    tracking: createClient(trackingContract, options),
    registry: createClient(registryContract, options),
    signing: createClient(signingContract, options),
    bom: createClient(bomContract, options),
    pipelines: createClient(pipelinesContract, options),
    plans: createClient(plansContract, options),
    records: createClient(recordsContract, options),
    backfills: createClient(backfillsContract, options),
    schedules: createClient(schedulesContract, options),
    triggers: createClient(triggersContract, options),
    lineage: createClient(lineageContract, options),
    serving: createClient(servingContract, options),
    monitoring: createClient(monitoringContract, options),
    automation: createClient(automationContract, options),
    governance: createClient(governanceContract, options),
  };
}
