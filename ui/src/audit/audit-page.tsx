import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { ShieldCheck, ShieldX } from 'lucide-react';
import { formatCount } from '../data/format.ts';
import { kedge } from '../data/read.ts';
import { useUrl } from '../data/use-url.ts';
import { Age } from '../kit/age.tsx';
import { Id } from '../kit/copy.tsx';
import { Go } from '../kit/link.tsx';
import { Page } from '../kit/page.tsx';
import { Empty, Failure, Loading } from '../kit/states.tsx';
import { DataTable } from '../kit/table/data-table.tsx';
import { placeOfSubject } from '../places.ts';

const PAGE = 500;

export function AuditPage() {
  const url = useUrl();
  const subject = url.get('subject');
  const action = url.get('action');
  const entries = useInfiniteQuery({
    queryKey: ['activity', 'searchAudit', subject, action],
    queryFn: ({ pageParam: before, signal }) =>
      kedge.activity.searchAudit({ query: { subject, action, before, limit: PAGE }, signal }),
    initialPageParam: undefined as number | undefined,
    getNextPageParam: ({ items }) => (items.length === PAGE ? items.at(-1)?.seq : undefined),
  });
  const items = entries.data?.pages.flatMap((page) => page.items);
  return (
    <Page title="Audit" lead="Who did what. Each entry carries the hash of the one before." actions={<Verify />}>
      <div className="toolbar">
        <Exact label="Subject" name="subject" placeholder="endpoint/delay" />
        <Exact label="Action" name="action" placeholder="rollout.start" />
        {entries.data ? (
          <span className="muted">
            head {formatCount(entries.data.pages[0]?.head.seq ?? 0)}{' '}
            <Id value={entries.data.pages[0]?.head.hash ?? ''} />
          </span>
        ) : null}
      </div>
      {entries.error && !items ? <Failure error={entries.error} retry={() => void entries.refetch()} /> : null}
      {entries.isPending ? <Loading rows={14} /> : null}
      {items ? (
        <DataTable
          label="entries"
          rows={items}
          idOf={(row) => String(row.seq)}
          empty={<Empty what="No entry has this subject and action." />}
          columns={[
            { id: 'seq', header: 'Entry', value: (row) => row.seq, isNumeric: true },
            { id: 'time', header: 'When', value: (row) => row.time, cell: (row) => <Age at={row.time} /> },
            { id: 'actor', header: 'Who', value: (row) => row.actor },
            { id: 'action', header: 'What', value: (row) => row.action },
            {
              id: 'subject',
              header: 'Subject',
              value: (row) => row.subject,
              cell: (row) => <Subject subject={row.subject} />,
            },
            {
              id: 'detail',
              header: 'Detail',
              value: (row) => JSON.stringify(row.detail),
              isWide: true,
            },
            { id: 'hash', header: 'Hash', value: (row) => row.hash, cell: (row) => <Id value={row.hash} /> },
          ]}
        />
      ) : null}
      {entries.hasNextPage ? (
        <button type="button" className="button" onClick={() => void entries.fetchNextPage()}>
          Older entries
        </button>
      ) : null}
    </Page>
  );
}

function Subject({ subject }: { readonly subject: string }) {
  const to = placeOfSubject(subject);
  return to ? <Go to={to}>{subject}</Go> : subject;
}

/** The server looks for these exactly; the filter of the table looks for words in what is loaded. */
function Exact({
  label,
  name,
  placeholder,
}: {
  readonly label: string;
  readonly name: string;
  readonly placeholder: string;
}) {
  const url = useUrl();
  return (
    <label>
      <span className="field-label">{label} </span>
      <input
        className="input"
        placeholder={placeholder}
        defaultValue={url.get(name) ?? ''}
        onBlur={(event) => url.set({ [name]: event.currentTarget.value.trim() })}
        onKeyDown={(event) => {
          if (event.key === 'Enter') url.set({ [name]: event.currentTarget.value.trim() });
        }}
      />
    </label>
  );
}

function Verify() {
  const verify = useMutation({ mutationFn: () => kedge.activity.verifyAudit() });
  const { data } = verify;
  return (
    <>
      {verify.error ? <span role="alert">{verify.error.message}</span> : null}
      {data ? (
        <span className="chip" data-tone={data.ok ? 'ok' : 'bad'} role="status">
          {data.ok ? <ShieldCheck size={15} aria-hidden /> : <ShieldX size={15} aria-hidden />}
          {data.ok
            ? `${formatCount(data.entries)} entries, chain unbroken`
            : `broken at entry ${data.seq}: ${data.reason}`}
        </span>
      ) : null}
      <button type="button" className="button" disabled={verify.isPending} onClick={() => verify.mutate()}>
        {verify.isPending ? 'Recomputing…' : 'Verify the chain'}
      </button>
    </>
  );
}
