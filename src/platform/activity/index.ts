export { activityHandlers } from './handlers.ts';
export { serveLive } from './live.ts';
