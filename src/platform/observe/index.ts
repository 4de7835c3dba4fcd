export { createLogger, type Logger } from './logger.ts';
export { createMetrics, type Metrics, type MetricsSnapshot } from './metrics.ts';
export { startTracing, traced } from './tracing.ts';
