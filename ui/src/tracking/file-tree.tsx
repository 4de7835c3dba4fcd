import { File, Folder } from 'lucide-react';
import { type ReactNode, useMemo } from 'react';
import { formatBytes } from '#core/units';
import { useUrl } from '../data/use-url.ts';
import { Go } from '../kit/link.tsx';
import { FilePreview, type StoredFile } from './file-preview.tsx';

interface Entry {
  readonly name: string;
  readonly depth: number;
  /** Absent for a folder. */
  readonly file?: StoredFile;
}

interface FileTreeProps {
  readonly files: readonly StoredFile[];
  readonly empty: ReactNode;
}

/** Files as a tree, with one of them beside it. Which one is part of the address. */
export function FileTree({ files, empty }: FileTreeProps) {
  const url = useUrl();
  const entries = useMemo(() => entriesOf(files), [files]);
  const shown = files.find(({ path }) => path === url.get('file')) ?? entries.find(({ file }) => file)?.file;
  if (!shown) return empty;
  return (
    <div className="files">
      <nav aria-label="Files" className="files-tree">
        {entries.map(({ name, depth, file }, index) =>
          file ? (
            <Go
              key={file.path}
              to={url.href({ file: file.path })}
              className="files-entry"
              style={{ paddingLeft: 8 + depth * 14 }}
              aria-current={file === shown ? 'true' : undefined}
              title={file.path}
            >
              <File size={13} aria-hidden />
              <span>{name}</span>
              <small>{formatBytes(file.bytes)}</small>
            </Go>
          ) : (
            // biome-ignore lint/suspicious/noArrayIndexKey: folders have no name of their own in the flat list.
            <div key={index} className="files-entry" style={{ paddingLeft: 8 + depth * 14 }}>
              <Folder size={13} aria-hidden />
              <span>{name}</span>
            </div>
          ),
        )}
      </nav>
      <FilePreview key={shown.digest} file={shown} />
    </div>
  );
}

/** Files by path with a line for each folder before what is in it. */
function entriesOf(files: readonly StoredFile[]): readonly Entry[] {
  const entries: Entry[] = [];
  let open: readonly string[] = [];
  for (const file of files.toSorted((a, b) => a.path.localeCompare(b.path, 'en'))) {
    const folders = file.path.split('/');
    const name = folders.pop() ?? file.path;
    const same = folders.findIndex((folder, depth) => folder !== open[depth]);
    const from = same < 0 ? folders.length : same;
    for (let depth = from; depth < folders.length; depth++) entries.push({ name: folders[depth] ?? '', depth });
    open = folders;
    entries.push({ name, depth: folders.length, file });
  }
  return entries;
}
