export { defineEvent, type EventType } from './define.ts';
export { type Consumer, type PlatformEvent, Relay, type RelayOptions } from './relay.ts';
export { recentEvents } from './store.ts';
