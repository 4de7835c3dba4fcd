export { activityHandlers, type Ongoing } from './handlers.ts';
export { serveLive } from './live.ts';
