import { automationContract } from '#automation/contract';
import { datasetsContract } from '#datasets/contract';
import { featuresContract } from '#features/contract';
import { governanceContract } from '#governance/contract';
import { monitoringContract } from '#monitoring/contract';
import { pipelinesContract } from '#pipelines/contract';
import { activityContract } from '#platform/activity/contract';
import { type Client, createClient } from '#platform/contract';
import { resourcesContract } from '#platform/resources/contract';
import { registryContract } from '#registry/contract';
import { servingContract } from '#serving/contract';
import { trackingContract } from '#tracking/contract';

/** One typed client a domain: `kedge.datasets.commitBatch({...})`. An error reply is thrown as `ProblemError`. */
export interface Kedge {
  readonly url: string;
  readonly resources: Client<typeof resourcesContract>;
  readonly activity: Client<typeof activityContract>;
  readonly datasets: Client<typeof datasetsContract>;
  readonly features: Client<typeof featuresContract>;
  readonly tracking: Client<typeof trackingContract>;
  readonly registry: Client<typeof registryContract>;
  readonly pipelines: Client<typeof pipelinesContract>;
  readonly serving: Client<typeof servingContract>;
  readonly monitoring: Client<typeof monitoringContract>;
  readonly automation: Client<typeof automationContract>;
  readonly governance: Client<typeof governanceContract>;
}

export interface ConnectOptions {
  /** Of the control plane, such as `http://127.0.0.1:4600`; empty in a page that it serves. */
  readonly url: string;
  readonly token?: string | undefined;
  readonly fetch?: typeof fetch;
}

export function connect({ url, token, fetch }: ConnectOptions): Kedge {
  const options = { baseUrl: url, token, ...(fetch ? { fetch } : {}) };
  return {
    url,
    resources: createClient(resourcesContract, options),
    activity: createClient(activityContract, options),
    datasets: createClient(datasetsContract, options),
    features: createClient(featuresContract, options),
    tracking: createClient(trackingContract, options),
    registry: createClient(registryContract, options),
    pipelines: createClient(pipelinesContract, options),
    serving: createClient(servingContract, options),
    monitoring: createClient(monitoringContract, options),
    automation: createClient(automationContract, options),
    governance: createClient(governanceContract, options),
  };
}
