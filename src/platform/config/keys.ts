/** Every configuration key: variable, default, unit and reason. At most 60, which a test holds. */
export const KEYS = {
  dataDir: { env: 'KEDGE_DATA', default: './.kedge', reason: 'Where the embedded stores live.' },
  host: { env: 'KEDGE_HOST', default: '127.0.0.1', reason: 'Address to listen on; loopback unless told otherwise.' },
  port: {
    env: 'KEDGE_PORT',
    default: 4600,
    min: 0,
    max: 65_535,
    unit: 'TCP port',
    reason: 'Control plane and console.',
  },
  gatewayPort: {
    env: 'KEDGE_GATEWAY_PORT',
    default: 4601,
    min: 0,
    max: 65_535,
    unit: 'TCP port',
    reason: 'Scoring over HTTP.',
  },
  gatewayProcesses: {
    env: 'KEDGE_GATEWAY_PROCESSES',
    default: 1,
    min: 1,
    max: 64,
    unit: 'processes',
    reason: 'Processes that serve the ports of one gateway, each with its part of the memory for models.',
  },
  grpcPort: {
    env: 'KEDGE_GRPC_PORT',
    default: 4602,
    min: 0,
    max: 65_535,
    unit: 'TCP port',
    reason: 'Scoring over gRPC.',
  },
  controlPlaneUrl: {
    env: 'KEDGE_URL',
    default: 'http://127.0.0.1:4600',
    reason: 'Where gateway, worker and the command line find the control plane.',
  },
  token: { env: 'KEDGE_TOKEN', default: '', reason: 'Token that gateway, worker and command line present.' },
  insecureLoopback: {
    env: 'KEDGE_INSECURE_LOOPBACK',
    default: false,
    reason: 'Requests from this machine without credentials act as administrator; only with a host that is loopback.',
  },
  publicUrl: {
    env: 'KEDGE_PUBLIC_URL',
    default: '',
    reason: 'Address under which browsers reach the console, such as https://kedge.bank.example; empty takes theirs.',
  },
  oidcIssuer: {
    env: 'KEDGE_OIDC_ISSUER',
    default: '',
    reason: 'Issuer URL of the OpenID Connect provider at which people sign in; empty offers none.',
  },
  oidcClientId: {
    env: 'KEDGE_OIDC_CLIENT_ID',
    default: 'kedge',
    reason: 'Client id of this installation at that provider.',
  },
  oidcClientSecret: {
    env: 'KEDGE_OIDC_CLIENT_SECRET',
    default: '',
    reason: 'Client secret at that provider; empty is a public client, which PKCE protects alone.',
  },
  oidcAudience: {
    env: 'KEDGE_OIDC_AUDIENCE',
    default: '',
    reason: 'Whom the bearer tokens of that provider have to be for; empty is the client id.',
  },
  oidcRoleClaim: {
    env: 'KEDGE_OIDC_ROLE_CLAIM',
    default: 'groups',
    reason: 'Claim with the groups of a person, with dots into nested ones, as in realm_access.roles.',
  },
  oidcRoles: {
    env: 'KEDGE_OIDC_ROLES',
    default: '',
    reason: 'What groups may do in the platform, as in ml-admins=admin,ml-team=editor,risk=viewer.',
  },
  database: {
    env: 'KEDGE_DATABASE',
    default: '',
    reason: 'postgres://… moves the relational store there; empty is SQLite in the data directory.',
  },
  databaseDurable: {
    env: 'KEDGE_DATABASE_DURABLE',
    default: false,
    reason: 'SQLite syncs each commit to disk, so that commits survive a power cut, at a quarter of the commit rate.',
  },
  blobs: {
    env: 'KEDGE_BLOBS',
    default: '',
    reason:
      's3://bucket/prefix?endpoint=https://… keeps content there, with copies in the data directory; empty is the ' +
      'data directory alone. Credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or from the role of ' +
      'the machine. With &lock=compliance:<days> (or governance:<days>) files of registered versions are locked there.',
  },
  artifactRoot: {
    env: 'KEDGE_ARTIFACT_ROOT',
    default: 'mlflow-artifacts:/',
    form: {
      pattern: /^(mlflow-artifacts:\/|file:\/\/\/.+|s3:\/\/[^/]+.*)$/,
      told: 'mlflow-artifacts:/, file:///… or s3://…',
    },
    reason:
      'Where new experiments keep the files of their runs: through the control plane, or at a place that clients ' +
      'write to themselves, without digests, de-duplication and protection of registered versions.',
  },
  notifyInside: {
    env: 'KEDGE_NOTIFY_INSIDE',
    default: false,
    reason: 'Webhooks may go to addresses that are not public, such as those of your own network.',
  },
  callbackSecret: {
    env: 'KEDGE_CALLBACK_SECRET',
    default: '',
    reason: 'Lets requests name an address that their answer is sent to, signed with this; empty refuses them.',
  },
  workers: {
    env: 'KEDGE_WORKERS',
    default: 1,
    min: 0,
    max: 64,
    unit: 'processes',
    reason: 'Worker processes that up starts.',
  },
  workerName: {
    env: 'KEDGE_WORKER_NAME',
    default: 'worker-1',
    reason: 'Names a worker, and its scratch directory, among those of one data directory.',
  },
  workerSlots: {
    env: 'KEDGE_WORKER_SLOTS',
    default: 2,
    min: 1,
    max: 64,
    unit: 'attempts',
    reason: 'Step attempts that one worker runs at a time.',
  },
  embeddedSlots: {
    env: 'KEDGE_EMBEDDED_SLOTS',
    default: 0,
    min: 0,
    max: 64,
    unit: 'attempts',
    reason:
      'Step attempts that the control plane runs at a time by itself, in child processes that step functions share ' +
      'one after another; 0 leaves all to workers.',
  },
  executor: {
    env: 'KEDGE_EXECUTOR',
    default: 'process',
    oneOf: ['process', 'process-pool', 'slurm', 'ray', 'kubernetes'],
    reason:
      'What workers run steps on: a process of its own for each, processes that step functions share one after ' +
      'another, or a cluster.',
  },
  executorUrl: {
    env: 'KEDGE_EXECUTOR_URL',
    default: '',
    reason: "Address of the cluster's own interface, such as that of slurmrestd or of Ray's dashboard.",
  },
  executorUser: {
    env: 'KEDGE_EXECUTOR_USER',
    default: '',
    reason: 'User that the cluster runs steps as, where it asks for one; empty is the user of the worker.',
  },
  executorTokenFile: {
    env: 'KEDGE_EXECUTOR_TOKEN_FILE',
    default: '',
    reason: 'File with the token that the cluster asks for, read again before each request; empty presents none.',
  },
  executorQueue: {
    env: 'KEDGE_EXECUTOR_QUEUE',
    default: '',
    reason: 'Partition or queue of the cluster that steps go to; empty leaves it to the cluster.',
  },
  executorFolder: {
    env: 'KEDGE_EXECUTOR_FOLDER',
    default: '',
    reason: 'Folder that worker and cluster reach under the same path, where the files of running steps lie.',
  },
  kubernetes: {
    env: 'KEDGE_KUBERNETES',
    default: '',
    reason: 'YAML file with image, folders and access for the executor `kubernetes`, which runs each attempt as a Job.',
  },
  bodyStallMs: {
    env: 'KEDGE_BODY_STALL_MS',
    default: 30_000,
    min: 1_000,
    max: 3_600_000,
    unit: 'ms',
    reason: 'A request whose body brings less than 1 KiB in this time is answered 408 and cut off.',
  },
  leaseMs: {
    env: 'KEDGE_LEASE_MS',
    default: 10_000,
    min: 1_000,
    max: 600_000,
    unit: 'ms',
    reason: 'How long a silent worker keeps a step; a killed worker delays its step by at most this.',
  },
  logLevel: {
    env: 'KEDGE_LOG_LEVEL',
    default: 'info',
    oneOf: ['fatal', 'error', 'warn', 'info', 'debug', 'trace'],
    reason: 'From which severity on the log is written.',
  },
  accessLog: {
    env: 'KEDGE_ACCESS_LOG',
    default: '',
    reason: 'File to which gateways append one JSON line for each request, - for standard output; empty writes none.',
  },
  otlpEndpoint: {
    env: 'KEDGE_OTLP_ENDPOINT',
    default: '',
    reason:
      'Base URL to which traces are sent over OTLP/HTTP; empty sends none. OTEL_TRACES_SAMPLER and ' +
      'OTEL_TRACES_SAMPLER_ARG say how many, as in parentbased_traceidratio and 0.01; all unless told.',
  },
  openLineageUrl: {
    env: 'KEDGE_OPENLINEAGE_URL',
    default: '',
    form: { pattern: /^(?:|https?:\/\/[^\s@]+)$/, told: 'http://… or https://… without user name and password' },
    reason: 'Backend that OpenLineage events are posted to, at /api/v1/lineage unless it has a path; empty sends none.',
  },
  openLineageToken: {
    env: 'KEDGE_OPENLINEAGE_TOKEN',
    default: '',
    reason: 'Bearer token for that backend.',
  },
  openLineageNamespace: {
    env: 'KEDGE_OPENLINEAGE_NAMESPACE',
    default: 'kedge',
    form: { pattern: /^[^\s]{1,200}$/, told: 'at most 200 characters without spaces' },
    reason: 'Namespace of jobs and datasets in OpenLineage events; tells the installations of one backend apart.',
  },
  openLineageProducer: {
    env: 'KEDGE_OPENLINEAGE_PRODUCER',
    default: 'urn:kedge:openlineage',
    form: { pattern: /^[a-z][a-z0-9+.-]*:[^\s]+$/, told: 'a URI' },
    reason: 'URI that OpenLineage events name as their producer, such as that of your console.',
  },
  modelMemoryBytesMax: {
    env: 'KEDGE_MODEL_MEMORY_BYTES',
    default: 1_073_741_824,
    min: 16_777_216,
    max: 1_099_511_627_776,
    unit: 'bytes',
    reason: 'Memory that loaded models of one gateway may use; the least recently used leave first.',
  },
  predictTimeoutMs: {
    env: 'KEDGE_PREDICT_TIMEOUT_MS',
    default: 2_000,
    min: 10,
    max: 600_000,
    unit: 'ms',
    reason: 'After this a prediction is answered by the fallback or with 504.',
  },
  recordQueueMax: {
    env: 'KEDGE_RECORD_QUEUE_MAX',
    default: 100_000,
    min: 100,
    max: 10_000_000,
    unit: 'records',
    reason: 'Recorded predictions waiting for the control plane in a gateway before more are dropped and counted.',
  },
  recordDelayMs: {
    env: 'KEDGE_RECORD_DELAY_MS',
    default: 10,
    min: 0,
    max: 1_000,
    unit: 'ms',
    reason:
      'How long after its answer a prediction is written at most, together with others and by another thread; ' +
      'a gateway that is killed loses those. With 0 each is written before its answer, and none is lost.',
  },
  modelRepository: {
    env: 'KEDGE_MODEL_REPOSITORY',
    default: '',
    reason:
      "Folder of ONNX models laid out as Triton's model repository, which gateways serve beside the endpoints over " +
      'the Open Inference Protocol; empty serves none.',
  },
  modelControl: {
    env: 'KEDGE_MODEL_CONTROL',
    default: false,
    reason: 'Whoever reaches a gateway may load and unload models of that folder, and send models to it.',
  },
  modelServers: {
    env: 'KEDGE_MODEL_SERVERS',
    default: '',
    reason:
      'Servers that may run models for gateways, separated by commas, such as http://triton:8000,grpc://triton:8001; ' +
      'versions that name another one are not served. * allows any; empty none.',
  },
  modelProcesses: {
    env: 'KEDGE_MODEL_PROCESSES',
    default: 'off',
    oneOf: ['off', 'isolated', 'any'],
    reason:
      'Whether gateways start the processes that versions declare: never, only where they can be kept apart from the ' +
      'machine, or as far apart as it allows. Whoever registers versions runs code there then.',
  },
  servingDialect: {
    env: 'KEDGE_SERVING_DIALECT',
    default: 'kedge',
    oneOf: ['kedge', 'triton'],
    reason: "Whose name and error texts the Open Inference Protocol answers with; some clients insist on Triton's.",
  },
  defaultEndpoint: {
    env: 'KEDGE_DEFAULT_ENDPOINT',
    default: '',
    reason: 'Endpoint that answers /invocations and /ping of a gateway; empty takes the only one there is.',
  },
  gatewayAccess: {
    env: 'KEDGE_GATEWAY_ACCESS',
    default: 'auto',
    oneOf: ['auto', 'open', 'credentials'],
    reason:
      'Whom gateways let in: everybody, or holders of keys and tokens; auto lets in programs of this machine at a ' +
      'loopback address and asks for credentials at any other.',
  },
  tenants: {
    env: 'KEDGE_TENANTS',
    default: '',
    form: { pattern: /^(path|header:[\w-]+|host:[A-Za-z0-9.-]+)?$/, told: 'header:<name>, path or host:<domain>' },
    reason:
      'How requests to gateways name their tenant, whose own endpoints (<tenant>.<endpoint>) then come first: by a ' +
      'header, by /t/<tenant>/ before the path, or by <tenant>.<domain>; empty knows no tenants.',
  },
  redis: {
    env: 'KEDGE_REDIS',
    default: '',
    form: { pattern: /^(rediss?:\/\/.+)?$/, told: 'redis://… or rediss://…' },
    reason: 'Redis in which gateways count rate limits together and share cached answers; empty keeps both to each.',
  },
  tlsCert: {
    env: 'KEDGE_TLS_CERT',
    default: '',
    reason: 'PEM file with the certificate of gateways, over HTTP and gRPC; empty serves without TLS.',
  },
  tlsKey: { env: 'KEDGE_TLS_KEY', default: '', reason: 'PEM file with the private key of that certificate.' },
  tlsClientCa: {
    env: 'KEDGE_TLS_CLIENT_CA',
    default: '',
    reason: 'PEM file with the authority whose certificates clients of gateways have to show; empty asks for none.',
  },
} as const satisfies Record<string, ConfigKey>;

export type KeyName = keyof typeof KEYS;

export type ConfigKey =
  | {
      readonly env: `KEDGE_${string}`;
      readonly default: string | boolean;
      readonly oneOf?: readonly string[];
      /** What a text has to match, and how that is told. */
      readonly form?: { readonly pattern: RegExp; readonly told: string };
      readonly reason: string;
    }
  | {
      readonly env: `KEDGE_${string}`;
      readonly default: number;
      /** Whole numbers from `min` to `max`. */
      readonly min: number;
      readonly max: number;
      readonly unit: string;
      readonly reason: string;
    };

/** What a key takes, in words. */
export function expectedOf(key: ConfigKey): string {
  if ('min' in key) return `a whole number from ${key.min} to ${key.max}`;
  if (key.oneOf) return `one of ${key.oneOf.join(', ')}`;
  if (key.form) return key.form.told;
  return typeof key.default === 'boolean' ? 'true or false' : 'a text';
}
