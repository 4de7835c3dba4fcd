import { useQuery } from '@tanstack/react-query';
import { formatBytes } from '#core/units';
import type { StepView } from '#pipelines/contract';
import { formatCount } from '../data/format.ts';
import { Id } from '../kit/copy.tsx';
import { Section } from '../kit/page.tsx';
import { Load, Loading } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import type { StoredFile } from '../tracking/file-preview.tsx';
import { FileTree } from '../tracking/file-tree.tsx';

interface Output {
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
  readonly directory?: { readonly files: number; readonly bytes: number } | undefined;
}

/** What a step wrote: files to download, and directories with what is in them. */
export function Outputs({ step }: { readonly step: StepView }) {
  const rows = Object.entries(step.outputs).map(([name, artifact]): Output => ({ name, ...artifact }));
  const directories = rows.filter(({ directory }) => directory !== undefined);
  return (
    <>
      <Section title="Outputs">
        <DataTable
          label="outputs"
          isPlain
          rows={rows}
          idOf={(row) => row.name}
          columns={[
            { id: 'name', header: 'Output', value: (row) => (row.directory ? `${row.name}/` : row.name) },
            { id: 'digest', header: 'Digest', value: (row) => row.digest, cell: (row) => <Id value={row.digest} /> },
            {
              id: 'bytes',
              header: 'Size',
              value: (row) => row.directory?.bytes ?? row.bytes,
              cell: (row) => formatBytes(row.directory?.bytes ?? row.bytes),
              isNumeric: true,
            },
            {
              id: 'get',
              header: '',
              value: () => null,
              cell: (row) =>
                row.directory ? (
                  `${formatCount(row.directory.files)} files`
                ) : (
                  <a href={`/api/v1/blobs/${row.digest}`}>Download</a>
                ),
            },
          ]}
        />
      </Section>
      {directories.length > 0 ? <Directories of={directories} /> : null}
    </>
  );
}

function Directories({ of }: { readonly of: readonly Output[] }) {
  const files = useQuery({
    queryKey: ['directories', ...of.map(({ name, digest }) => [name, digest])],
    queryFn: async ({ signal }) => (await Promise.all(of.map((output) => filesOf(output, signal)))).flat(),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <Section title="Files" note="of the outputs that are directories">
      <Load query={files} loading={<Loading rows={3} />}>
        {(found) => <FileTree files={found} empty={<p className="muted">No file was written to them.</p>} />}
      </Load>
    </Section>
  );
}

/** The content of a directory is the list of its files. */
async function filesOf({ name, digest }: Output, signal: AbortSignal): Promise<StoredFile[]> {
  const response = await fetch(`/api/v1/blobs/${digest}`, { signal });
  if (!response.ok) throw new Error(`the directory was answered with status ${response.status}`);
  const { files } = (await response.json()) as { readonly files: readonly StoredFile[] };
  return files.map((file) => ({ ...file, path: `${name}/${file.path}` }));
}
