import type { ProtocolGroup } from '#platform/http';
import { mlflowProtocol } from '#tracking/mlflow';
import type { RegistryService } from '../../service.ts';
import { aliasRoutes } from './aliases.ts';
import { modelRoutes } from './models.ts';
import { versionRoutes } from './versions.ts';

/** MLflow's model registry on the registry's own service. */
export function registryProtocol(service: RegistryService): ProtocolGroup {
  const routes = [...modelRoutes(service), ...versionRoutes(service), ...aliasRoutes(service)];
  // Each handler asks for the level on the model that it is about.
  return { protocol: mlflowProtocol, routes: routes.map((route) => ({ ...route, checksObjects: true })) };
}
