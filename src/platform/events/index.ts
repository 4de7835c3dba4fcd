export { defineEvent, type EventSchema, type EventType, eventTypes } from './define.ts';
export { type Consumer, type PlatformEvent, Relay, type RelayOptions } from './relay.ts';
export { eventsAfter, lastSeq as lastEventSeq, recentEvents } from './store.ts';
