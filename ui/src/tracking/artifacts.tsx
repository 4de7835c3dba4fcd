import { useQuery } from '@tanstack/react-query';
import { read } from '../data/read.ts';
import { Empty, Load } from '../kit/states.tsx';
import { FileTree } from './file-tree.tsx';
import type { TrackedRun } from './run.ts';

/** The files that a run left. */
export function Artifacts({ run }: { readonly run: TrackedRun }) {
  const files = useQuery(read('tracking', 'listArtifacts', { params: { run: run.id } }));
  const isElsewhere = !run.artifactUri.startsWith('mlflow-artifacts:');
  const empty = isElsewhere ? (
    <Empty what={`Clients of this run write their files to ${run.artifactUri} themselves; they are not listed here.`} />
  ) : (
    <Empty what="This run has left no files." command={'mlflow.log_artifact("report.html")'} />
  );
  return <Load query={files}>{({ items }) => <FileTree files={items} empty={empty} />}</Load>;
}
