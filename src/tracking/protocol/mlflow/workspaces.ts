import { NO_GRANTS, type Sender } from '#platform/access';
import type { Accounts } from '#platform/accounts';
import type { ForeignRoute, ProtocolGroup, RequestContext } from '#platform/http';
import { mlflowErrors } from './errors.ts';
import { mlflowProtocol } from './protocol.ts';
import { invalidValue, mlflowRoute } from './route.ts';
import { REQUIRED, wire } from './wire.ts';

type AccountsOfProjects = Pick<Accounts, 'projects' | 'authenticator'>;
type Project = Awaited<ReturnType<Accounts['projects']['get']>>;

/** What MLflow asks of the name of a workspace; projects of other names that Kedge takes are there all the same. */
const NAME = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])$/;
const RESERVED = ['default', 'workspaces', 'api', 'ajax-api', 'static-files'];
const DESCRIPTION_MAX = 2_000;

const anyName = () => wire.string(63).min(1, REQUIRED);

/** MLflow's workspaces, which are projects. Clients name the one they work in by the header X-MLFLOW-WORKSPACE. */
export function workspaceProtocol(accounts: AccountsOfProjects): ProtocolGroup {
  return { protocol: mlflowProtocol, routes: [...finding(accounts), ...changing(accounts)] };
}

function finding({ projects, authenticator }: AccountsOfProjects): ForeignRoute[] {
  const senderOf = async ({ actor }: RequestContext): Promise<Sender> =>
    (await authenticator.senderOf(actor.id)) ?? { actor, grants: NO_GRANTS };
  return [
    mlflowRoute({
      name: 'workspaces.list',
      major: 3,
      method: 'GET',
      path: 'workspaces',
      permission: 'signed-in',
      reads: true,
      input: {},
      async handler(_input, ctx) {
        const found = await projects.list(await senderOf(ctx));
        return { workspaces: found.filter(({ archived }) => !archived).map(sentWorkspace) };
      },
    }),
    mlflowRoute({
      name: 'workspaces.get',
      major: 3,
      method: 'GET',
      path: 'workspaces/:workspace_name',
      permission: 'signed-in',
      reads: true,
      input: { workspace_name: anyName() },
      async handler({ workspace_name: name }, ctx) {
        const found = await projects.get(await senderOf(ctx), name);
        if (found.archived) throw mlflowErrors.RESOURCE_DOES_NOT_EXIST(`Workspace '${name}' not found`);
        return { workspace: sentWorkspace(found) };
      },
    }),
  ];
}

function changing({ projects }: AccountsOfProjects): ForeignRoute[] {
  return [
    mlflowRoute({
      name: 'workspaces.create',
      major: 3,
      method: 'POST',
      path: 'workspaces',
      permission: 'accounts:manage',
      audit: 'project.create',
      status: 201,
      input: {
        name: wire.string(63).min(1, REQUIRED).regex(NAME, 'expected lower case letters, digits and hyphens within'),
        description: wire.string(DESCRIPTION_MAX).default(''),
        default_artifact_root: wire.string(2_000).default(''),
      },
      async handler({ name, description, default_artifact_root: root }, ctx) {
        if (RESERVED.includes(name)) throw invalidValue('name', name, 'the name is reserved');
        refuseRoot(root);
        return { workspace: sentWorkspace(await projects.create(ctx, { name, description })) };
      },
    }),
    mlflowRoute({
      name: 'workspaces.update',
      major: 3,
      method: 'PATCH',
      path: 'workspaces/:workspace_name',
      permission: 'accounts:manage',
      audit: 'project.update',
      input: {
        workspace_name: anyName(),
        description: wire.string(DESCRIPTION_MAX).optional(),
        default_artifact_root: wire.string(2_000).default(''),
      },
      async handler({ workspace_name: name, description, default_artifact_root: root }, ctx) {
        refuseRoot(root);
        return { workspace: sentWorkspace(await projects.update(ctx, name, { description })) };
      },
    }),
    mlflowRoute({
      name: 'workspaces.delete',
      major: 3,
      method: 'DELETE',
      path: 'workspaces/:workspace_name',
      permission: 'accounts:manage',
      audit: 'project.update',
      status: 204,
      input: { workspace_name: anyName() },
      async handler({ workspace_name: name }, ctx) {
        await projects.update(ctx, name, { archived: true });
        return {};
      },
    }),
  ];
}

/** Where files lie is decided for the whole installation, and a workspace that promised otherwise would mislead. */
function refuseRoot(root: string): void {
  if (root !== '') throw invalidValue('default_artifact_root', root, 'artifacts lie where the server was told');
}

function sentWorkspace({ name, description }: Project): object {
  return { name, description: description === '' ? undefined : description };
}
