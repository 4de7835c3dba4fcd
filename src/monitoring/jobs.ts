import type { Job } from '#platform/domain';
import type { MonitoringService } from './service/service.ts';

export function monitoringJobs(service: MonitoringService): Job[] {
  return [{ name: 'monitoring.follow-clock', everyMs: 10_000, run: (signal) => service.followClock(signal) }];
}
