import { fileURLToPath } from 'node:url';
import { load, type ServiceDefinition } from '@grpc/proto-loader';

const SERVICES = {
  inference: 'inference.GRPCInferenceService',
  health: 'grpc.health.v1.Health',
  externalscaler: 'externalscaler.ExternalScaler',
} as const;

/** A service as a server or a client of grpc-js takes it: 64-bit numbers as texts, every field there. */
export async function loadService(name: keyof typeof SERVICES = 'inference'): Promise<ServiceDefinition> {
  const path = fileURLToPath(new URL(`./${name}.proto`, import.meta.url));
  const definition = await load(path, { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true });
  return definition[SERVICES[name]] as ServiceDefinition;
}
