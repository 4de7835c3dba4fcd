import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { sql } from 'kysely';
import { openPostgres } from '#adapters/sql/postgres';

const POSTGRES = process.env['KEDGE_TEST_POSTGRES_URL'];
const S3 = process.env['KEDGE_TEST_S3'];

/** Where a control plane under test keeps rows and content; nothing said means in its data directory. */
export interface StoreSettings {
  readonly database?: string;
  readonly blobs?: string;
}

interface Stores {
  readonly name: string;
  readonly skip: string | false;
  make(t: TestContext): Promise<StoreSettings>;
}

/** Both kinds of database and both kinds of blob store, in the pairs that people run them in. */
export const STORES: readonly Stores[] = [
  { name: 'SQLite and files', skip: false, make: async () => ({}) },
  {
    name: 'PostgreSQL and S3',
    skip: !(POSTGRES && S3) && 'KEDGE_TEST_POSTGRES_URL and KEDGE_TEST_S3 do not both name a server',
    make: async (t) => ({ database: await makeDatabase(t, POSTGRES ?? ''), blobs: await makeBucket(S3 ?? '') }),
  },
];

async function makeDatabase(t: TestContext, server: string): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const admin = await openPostgres(server, { schema: name });
  await sql`create database ${sql.id(name)}`.execute(admin.reader);
  t.after(async () => {
    await sql`drop database ${sql.id(name)} with (force)`.execute(admin.reader);
    await sql`drop schema ${sql.id(name)}`.execute(admin.reader);
    await admin.close();
  });
  return Object.assign(new URL(server), { pathname: `/${name}` }).href;
}

/** The bucket stays: the server that tools/ci/s3.sh starts keeps nothing beyond its own life. */
async function makeBucket(server: string): Promise<string> {
  const { origin, username, password } = new URL(server);
  // Where every S3 client looks, also that of the process under test.
  process.env['AWS_ACCESS_KEY_ID'] = username;
  process.env['AWS_SECRET_ACCESS_KEY'] = password;
  const client = new S3Client({ endpoint: origin, region: 'us-east-1', forcePathStyle: true });
  const bucket = `kedge-${randomUUID()}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return `s3://${bucket}?endpoint=${origin}`;
}
