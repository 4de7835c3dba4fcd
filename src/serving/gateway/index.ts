export type { FeatureReader } from './feature-reader.ts';
export type { GatewayLimits } from './gateway-parts.ts';
export type { Answers, Inherited, ProcessView, Protocol, Question, Siblings } from './processes/siblings.ts';
export type { PredictionRecord } from './recording/prediction-record.ts';
export { type Gateway, type GatewayOptions, startGateway } from './start-gateway.ts';
