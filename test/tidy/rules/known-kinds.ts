import type { Rule, Violation } from '../source-file.ts';

const kinds =
  /\.(ts|tsx|mjs|json|jsonl|md|ya?ml|sh|css|html|svg|png|proto|py|csv|parquet|onnx|wat|txt|toml|go|java|xml)$/;
const names =
  'LICENSE|NOTICE|Dockerfile|\\.(git|docker)ignore|\\.gitattributes|\\.editorconfig|\\.npmrc|go\\.(mod|sum)';
const named = new RegExp(`(^|/)(${names})$|^\\.ci/run$`);

/** The repository holds sources: what a tool makes, or an editor leaves behind, stays out. */
export const knownKinds: Rule = (files) =>
  files.flatMap(({ path }): Violation[] => {
    if (kinds.test(path) || named.test(path)) return [];
    const message = 'unknown kind of file; delete it, ignore it, or add its kind to test/tidy/rules/known-kinds.ts';
    return [{ path, line: 1, message }];
  });
