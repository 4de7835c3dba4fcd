import { type RouteGroup, routeGroup } from '#platform/http';
import { schedulesContract } from './contract.ts';
import type { Schedules } from './service.ts';

export function scheduleHandlers(schedules: Schedules): RouteGroup {
  return routeGroup(schedulesContract, {
    listSchedules: ({ query }) => schedules.list(query),
    getSchedule: ({ params }) => schedules.get(params.schedule),
    nextTicks: ({ params, query }) => schedules.next(params.schedule, query.count),
    listTicks: ({ params, query }) => schedules.ticks(params.schedule, query),
    scheduleCalendar: ({ query }) => schedules.calendar(query),
    pauseSchedule: ({ params, body }, ctx) => schedules.pause(ctx, params.schedule, body.reason),
    resumeSchedule: ({ params, body }, ctx) => schedules.resume(ctx, params.schedule, body.catchUp),
  });
}
