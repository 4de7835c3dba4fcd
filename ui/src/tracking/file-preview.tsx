import { useQuery } from '@tanstack/react-query';
import { Download } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { formatBytes } from '#core/units';
import { formatCount } from '../data/format.ts';
import { Age } from '../kit/age.tsx';
import { CodeBlock, Id } from '../kit/copy.tsx';
import { Load, Partial } from '../kit/states.tsx';
import type { Column } from '../kit/table/column.ts';
import { DataTable } from '../kit/table/data-table.tsx';
import { csvRows } from './csv.ts';

/** A file in the blob store. */
export interface StoredFile {
  readonly path: string;
  readonly digest: string;
  readonly bytes: number;
  readonly createdAt?: number;
}

const IMAGE_BYTES_MAX = 20 * 1024 * 1024;
const TEXT_BYTES_MAX = 512 * 1024;
const ROWS_MAX = 2_000;

const images: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  svg: 'image/svg+xml',
};
const texts = new Set(
  'txt log md yaml yml toml ini cfg conf env py r sql sh ts js xml html htm jsonl ndjson'.split(' '),
);

type Kind = 'image' | 'table' | 'json' | 'text' | 'other';

function kindOf({ path }: StoredFile): Kind {
  const ending = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  if (Object.hasOwn(images, ending)) return 'image';
  if (ending === 'csv' || ending === 'tsv') return 'table';
  if (ending === 'json') return 'json';
  // A name without an ending, such as MLmodel or Dockerfile, is of a text as a rule.
  const isBare = !path.slice(path.lastIndexOf('/') + 1).includes('.');
  return isBare || texts.has(ending) ? 'text' : 'other';
}

/** What is in a file, where a person can read it, and its digest, by which it can be fetched and checked. */
export function FilePreview({ file }: { readonly file: StoredFile }) {
  const kind = kindOf(file);
  return (
    <section className="files-preview" aria-label={file.path}>
      <div className="section-head">
        <h2>{file.path}</h2>
        <span className="section-note">
          {formatBytes(file.bytes)}
          {file.createdAt === undefined ? null : (
            <>
              , <Age at={file.createdAt} />
            </>
          )}
        </span>
        <span className="section-aside">
          <Id value={file.digest} />
          <a className="button" href={blobPath(file)} download={file.path.split('/').at(-1)}>
            <Download size={13} aria-hidden />
            Download
          </a>
        </span>
      </div>
      {kind === 'image' ? <ImagePreview file={file} /> : null}
      {kind === 'text' || kind === 'json' || kind === 'table' ? <TextPreview file={file} kind={kind} /> : null}
      {kind === 'other' ? <p className="muted">Files of this kind have no preview.</p> : null}
    </section>
  );
}

const blobPath = ({ digest }: StoredFile): string => `/api/v1/blobs/${digest}`;

async function fetchBytes(file: StoredFile, bytesMax: number, signal: AbortSignal): Promise<ArrayBuffer> {
  const headers = file.bytes > bytesMax ? { range: `bytes=0-${bytesMax - 1}` } : {};
  const response = await fetch(blobPath(file), { headers, signal });
  if (!response.ok) throw new Error(`the file was answered with status ${response.status}`);
  return response.arrayBuffer();
}

/** The image is read as data of the page: whatever a file claims to be, no script in it runs. */
function ImagePreview({ file }: { readonly file: StoredFile }) {
  const [isBroken, setBroken] = useState(false);
  const bytes = useQuery({
    queryKey: ['blob', file.digest, 'image'],
    queryFn: ({ signal }) => fetchBytes(file, IMAGE_BYTES_MAX, signal),
    enabled: file.bytes <= IMAGE_BYTES_MAX,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const type = images[file.path.slice(file.path.lastIndexOf('.') + 1).toLowerCase()] ?? '';
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!bytes.data) return;
    const made = URL.createObjectURL(new Blob([bytes.data], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [bytes.data, type]);
  if (file.bytes > IMAGE_BYTES_MAX) {
    return <p className="muted">Images of more than {formatBytes(IMAGE_BYTES_MAX)} are not shown here.</p>;
  }
  if (isBroken) return <p className="muted">This is not an image that the browser can read.</p>;
  return (
    <Load query={bytes}>
      {() => (url ? <img className="files-image" src={url} alt={file.path} onError={() => setBroken(true)} /> : null)}
    </Load>
  );
}

function TextPreview({ file, kind }: { readonly file: StoredFile; readonly kind: 'text' | 'json' | 'table' }) {
  const isCut = file.bytes > TEXT_BYTES_MAX;
  const text = useQuery({
    queryKey: ['blob', file.digest, 'text'],
    queryFn: async ({ signal }) => new TextDecoder().decode(await fetchBytes(file, TEXT_BYTES_MAX, signal)),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <Load query={text}>
      {(found) => (
        <>
          {isCut ? <Partial>The first {formatBytes(TEXT_BYTES_MAX)} are shown.</Partial> : null}
          {kind === 'table' ? (
            <TablePreview text={found} separator={/\.tsv$/i.test(file.path) ? '\t' : ','} isCut={isCut} />
          ) : (
            <CodeBlock text={kind === 'json' && !isCut ? indented(found) : found} />
          )}
        </>
      )}
    </Load>
  );
}

/** JSON as it is read best; what is none is shown as it is. */
function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

interface TableRow {
  readonly index: number;
  readonly fields: readonly string[];
}

interface TablePreviewProps {
  readonly text: string;
  readonly separator: ',' | '\t';
  readonly isCut: boolean;
}

function TablePreview({ text, separator, isCut }: TablePreviewProps) {
  const parsed = useMemo(() => csvRows(text, { separator, rowsMax: ROWS_MAX + 2, isCut }), [text, separator, isCut]);
  const rows: readonly TableRow[] = useMemo(
    () => parsed.slice(1, ROWS_MAX + 1).map((fields, index) => ({ index, fields })),
    [parsed],
  );
  const columns = useMemo(() => (parsed[0] ?? []).map((name, place) => columnOf(name, place, rows)), [parsed, rows]);
  if (columns.length === 0) return <p className="muted">The file is empty.</p>;
  return (
    <>
      {parsed.length > ROWS_MAX + 1 ? <Partial>The first {formatCount(ROWS_MAX)} rows are shown.</Partial> : null}
      <DataTable label="rows" name="file-" rows={rows} columns={columns} idOf={(row) => String(row.index)} />
    </>
  );
}

function columnOf(name: string, place: number, rows: readonly TableRow[]): Column<TableRow> {
  const isNumeric = rows.every(({ fields }) => !fields[place] || Number.isFinite(Number(fields[place])));
  return {
    id: `${place}:${name}`,
    header: name === '' ? `column ${place + 1}` : name,
    value: ({ fields }) => (isNumeric && fields[place] ? Number(fields[place]) : (fields[place] ?? null)),
    cell: ({ fields }) => fields[place] ?? '',
    isNumeric,
  };
}
