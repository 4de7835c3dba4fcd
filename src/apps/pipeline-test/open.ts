import { mkdir, mkdtemp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Kedge } from '#client';
import { sleep, systemClock } from '#core/clock';
import { canonicalJson } from '#core/json';
import { type Artifact, filesOfDirectory, type RunDetail } from '#pipelines';
import { CODE_MEDIA_TYPE, FILE_MEDIA_TYPE } from '#pipelines/contract';
import { type ProjectFile, readProjectFile } from '../cli/project-file.ts';
import { type OutputContract, type TestCase, type TestCaseInput, testCase } from './case.ts';
import { checkRun, type Written } from './check.ts';
import { type DeclaredPipeline, declaredPipeline } from './declared.ts';
import { type Derived, derive } from './derive.ts';
import { commitRows, PipelineTestError, planPath, writePlan } from './fixtures.ts';
import { openTestPlatform, type TestPlatform } from './platform.ts';
import { resultOf, type TestOutput, type TestResult, type TestStep, testOutput } from './result.ts';

const POLL_MS = 20;
const LINES_MAX = 1_000;
const OVER = new Set(['succeeded', 'failed', 'cancelled']);

export interface PipelineTest {
  /** Runs one case: the pipeline of the project, or some of its steps, on what is given. */
  run(test?: TestCaseInput, options?: RunOptions): Promise<TestResult>;
  close(): Promise<void>;
}

export interface RunOptions {
  /** What outputs have to be, by `<step>.<output>`. */
  readonly contracts?: Readonly<Record<string, OutputContract>>;
  /** What paths of fixtures are relative to; the folder of the project file unless told. */
  readonly folder?: string;
}

/**
 * Opens a project file for tests of its pipelines: `await openPipelineTest(new URL('./kedge.ts', import.meta.url))`.
 * Steps run as they do in production, as processes of a real worker, on a platform of their own that is gone after
 * `close`. Throws a `PipelineTestError` for a project or a case that cannot be run, which says what to do.
 */
export async function openPipelineTest(projectFile: string | URL): Promise<PipelineTest> {
  const project = await readProjectFile(typeof projectFile === 'string' ? projectFile : fileURLToPath(projectFile));
  const written: Written = { given: new Map(), made: new Map() };
  let shared: TestPlatform | undefined;
  return {
    async run(input = {}, options = {}) {
      const test = testCase.parse(input);
      // Rows that one case commits to a dataset would be read by the next.
      const own = Object.keys(test.given).some((name) => name.startsWith('dataset:'));
      if (!own) shared ??= await openTestPlatform();
      const platform = own || !shared ? await openTestPlatform() : shared;
      try {
        return await new CaseRun({ project, platform, written, test, options }).run();
      } finally {
        if (platform !== shared) await platform.close();
      }
    },
    async close() {
      await shared?.close();
      shared = undefined;
    },
  };
}

interface CaseParts {
  readonly project: ProjectFile;
  readonly platform: TestPlatform;
  readonly written: Written;
  readonly test: TestCase;
  readonly options: RunOptions;
}

class CaseRun {
  readonly #parts: CaseParts;
  readonly #folder: string;

  constructor(parts: CaseParts) {
    this.#parts = parts;
    this.#folder = parts.options.folder ?? dirname(parts.project.path);
  }

  async run(): Promise<TestResult> {
    const { platform, test } = this.#parts;
    const { name, spec } = await this.#pipeline();
    await mkdir(join(platform.folder, 'plans'), { recursive: true });
    const plans = await mkdtemp(join(platform.folder, 'plans', 'case-'));
    const derived = derive(spec, test, (step) => planPath(plans, step));
    if (derived.problems.length > 0) throw new PipelineTestError(`case '${test.name}': ${derived.problems.join('\n')}`);
    const fixtures = new Map<string, Uint8Array>();
    for (const [step, outputs] of Object.entries(derived.given)) {
      const of = { path: planPath(plans, step), step, outputs, folder: this.#folder };
      for (const [output, content] of await writePlan(of, { ...test, given: derived.fixtures }))
        fixtures.set(output, content);
    }
    await this.#outside(derived);
    const { kedge } = platform;
    await kedge.resources.applyResources({ body: { resources: [{ kind: 'pipeline', name, spec: derived.spec }] } });
    const body = { params: test.params, ...(test.seed === undefined ? {} : { seed: test.seed }) };
    const { run } = await kedge.pipelines.startPipelineRun({ params: { pipeline: name }, body });
    const approvals = spec.steps.flatMap((step) => (step.approval ? [step.name] : []));
    const detail = await this.#ended(kedge, run, approvals);
    const steps = await this.#steps(detail, derived);
    const { contracts = {} } = this.#parts.options;
    const of = { name, test, detail, derived, fixtures, contracts, declared: spec };
    const problems = checkRun({ ...of, steps, undeclared: platform.undeclared, written: this.#parts.written });
    return resultOf({ status: detail.status, reason: detail.reason, steps, problems });
  }

  /** The pipeline with its code and files sent to the platform. */
  async #pipeline(): Promise<DeclaredPipeline> {
    const { project, test, platform } = this.#parts;
    const { pipelines } = platform.kedge;
    const declared = await declaredPipeline(project, test.pipeline);
    for (const bytes of declared.files.values()) {
      await pipelines.putPipelineFile({ upload: { contentType: FILE_MEDIA_TYPE, bytes } });
    }
    if (!declared.bundle) return declared;
    const bytes = new TextEncoder().encode(canonicalJson({ files: declared.bundle.files }));
    await pipelines.putPipelineCode({ upload: { contentType: CODE_MEDIA_TYPE, bytes } });
    return declared;
  }

  /** Declares what the steps refer to outside the pipeline, with the rows that are given for it. */
  async #outside({ references }: Derived): Promise<void> {
    const { project, platform, test } = this.#parts;
    const { kedge } = platform;
    const kinds = new Set(['dataset', 'feature-view']);
    const resources = project.resources.filter(({ kind }) => kinds.has(kind));
    for (const reference of references) {
      const [kind = '', name = ''] = reference.split(/:(.*)/s);
      if (!resources.some((resource) => resource.kind === kind && resource.name === name)) {
        throw new PipelineTestError(`steps read ${reference}, which ${project.path} does not declare`);
      }
      if (kind === 'dataset' && test.given[reference] === undefined) {
        throw new PipelineTestError(`steps read ${reference}: give rows for it under given (rows, or a file)`);
      }
    }
    if (references.length === 0) return;
    await kedge.resources.applyResources({ body: { resources: [...resources] } });
    for (const [name, fixture] of Object.entries(test.given)) {
      if (references.includes(name)) await commitRows(kedge, name.slice('dataset:'.length), fixture, this.#folder);
    }
  }

  async #ended(kedge: Kedge, run: string, approvals: readonly string[]): Promise<RunDetail> {
    const open = new Set(approvals);
    for (;;) {
      const detail = await kedge.pipelines.getPipelineRun({ params: { run } });
      if (OVER.has(detail.status)) return detail;
      for (const { step, status } of detail.steps) {
        if (status === 'waiting' && open.delete(step)) await this.#decide(kedge, run, step);
      }
      await sleep(systemClock, POLL_MS);
    }
  }

  async #decide(kedge: Kedge, run: string, step: string): Promise<void> {
    const decision = this.#parts.test.decisions[step] ?? 'approve';
    const body = { decision, reason: 'decided by the test' };
    await kedge.pipelines.decideStep({ params: { run, step }, body });
  }

  async #steps(detail: RunDetail, derived: Derived): Promise<Record<string, TestStep>> {
    const { kedge, blobs } = this.#parts.platform;
    const steps: Record<string, TestStep> = {};
    for (const step of detail.steps) {
      const params = { run: detail.run, step: step.step };
      const { items } = await kedge.pipelines.readStepLog({ params, query: { limit: LINES_MAX } });
      const outputs = Object.entries(step.outputs).map(
        async ([name, artifact]) => [name, await outputOf(artifact, blobs)] as const,
      );
      steps[step.step] = {
        ...{ status: step.status, reason: step.reason, result: step.result, metrics: step.metrics },
        given: !derived.runs.includes(step.step),
        log: items.map(({ text }) => text),
        outputs: Object.fromEntries(await Promise.all(outputs)),
      };
    }
    return steps;
  }
}

async function outputOf({ digest, directory }: Artifact, blobs: TestPlatform['blobs']): Promise<TestOutput> {
  const output = testOutput(digest, await blobs.read(digest));
  if (!directory) return output;
  const files: [string, TestOutput][] = [];
  for (const file of await filesOfDirectory(blobs, digest)) {
    files.push([file.path, testOutput(file.digest, await blobs.read(file.digest))]);
  }
  return { ...output, files: Object.fromEntries(files) };
}
