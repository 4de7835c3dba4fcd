export type { Fixture, OutputContract, TestCaseInput } from './case.ts';
export { PipelineTestError } from './fixtures.ts';
export { openPipelineTest, type PipelineTest, type RunOptions } from './open.ts';
export type { TestOutput, TestResult, TestStep } from './result.ts';
