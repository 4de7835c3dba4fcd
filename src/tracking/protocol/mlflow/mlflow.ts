export * from '../../search/index.ts';
export * from '../../store/filter/index.ts';
export { type MlflowCode, mlflowErrors } from './errors.ts';
export { jsonReply, mlflowProtocol } from './protocol.ts';
export { invalidValue, mlflowRoute } from './route.ts';
export { sentDouble, wire } from './wire.ts';
export { workspaceProtocol } from './workspaces.ts';
