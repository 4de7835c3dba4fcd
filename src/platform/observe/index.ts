export { type LineFile, openLineFile } from './line-file.ts';
export { createLogger, type Logger } from './logger.ts';
export { createMetrics, type Metrics, type MetricsSnapshot } from './metrics.ts';
export { type PastSpan, recordServed, startTracing, traced } from './tracing.ts';
