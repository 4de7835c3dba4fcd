export { type ResourceChange, type ResourceDraft, type ResourceView, resourcesContract } from './contract.ts';
export { resourceHandlers } from './handlers.ts';
export { type AppliedResource, type FindResource, type ResourceKind, Resources, resourceErrors } from './resources.ts';
