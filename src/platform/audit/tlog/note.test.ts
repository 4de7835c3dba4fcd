import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { openCheckpoint, signCheckpoint } from './checkpoint.ts';
import { leafHash } from './merkle.ts';
import { generateNoteKey, noteSigner, noteVerifier, openNote } from './note.ts';
import { formatTlogProof, parseTlogProof, verifyTlogProof } from './tlog-proof.ts';

const { note: golden } = JSON.parse(readFileSync(new URL('golden/sumdb.json', import.meta.url), 'utf8')) as {
  readonly note: { readonly privateKey: string; readonly verifierKey: string; readonly signed: string };
};

test('the example of the specification of signed notes verifies', () => {
  const verifier = noteVerifier('example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k');
  const text = 'This is an example message.\n';
  const signature = 'Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=';
  assert.equal(openNote(`${text}\n— example.com/foo ${signature}\n`, verifier), text);
});

test("a key of Go's sumdb/note signs the same bytes here", () => {
  const signer = noteSigner(golden.privateKey);
  assert.equal(signer.verifier.text, golden.verifierKey);
  const text = golden.signed.slice(0, golden.signed.lastIndexOf('\n\n') + 1);
  assert.equal(signer.sign(text), golden.signed);
});

const signer = noteSigner(generateNoteKey('kedge.example/audit'));
const { verifier } = signer;

test('no byte of a signed checkpoint or of its key can change without being noticed', () => {
  const note = Buffer.from(signCheckpoint(1_234, leafHash(Buffer.from('x')), signer));
  const opened = openCheckpoint(note.toString(), noteVerifier(verifier.text));
  assert.deepEqual([opened.origin, opened.size], ['kedge.example/audit', 1_234]);
  fc.assert(
    fc.property(fc.nat(note.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(note);
      changed[at]! ^= flip;
      assert.throws(() => openCheckpoint(changed.toString(), verifier), { code: 'audit/note' });
    }),
    { numRuns: 2_000 },
  );
  const key = Buffer.from(verifier.text);
  fc.assert(
    fc.property(fc.nat(key.length - 1), fc.integer({ min: 1, max: 127 }), (at, flip) => {
      const changed = Buffer.from(key);
      changed[at]! ^= flip;
      assert.throws(() => noteVerifier(changed.toString()), { code: 'audit/key' });
    }),
    { numRuns: 1_000 },
  );
});

test('signatures of others beside that of the log do no harm, and never replace it', () => {
  const witness = noteSigner(generateNoteKey('witness.example/w1'));
  const note = signer.sign('kedge.example/audit\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n');
  const cosigned = note + witness.sign(note.slice(0, note.lastIndexOf('\n\n') + 1)).split('\n\n')[1];
  assert.equal(openCheckpoint(cosigned, verifier).size, 0);
  assert.throws(() => openCheckpoint(cosigned, noteSigner(generateNoteKey('kedge.example/audit')).verifier), {
    code: 'audit/note',
    message: /has no signature of kedge\.example\/audit\+/,
  });
});

test('a proof survives being written and read, and what is no proof is refused', () => {
  const entry = Buffer.from('{"seq":1}');
  const checkpoint = signCheckpoint(1, leafHash(entry), signer);
  const text = formatTlogProof({ index: 0, path: [], extra: entry, checkpoint });
  const proof = parseTlogProof(text);
  assert.deepEqual(Buffer.from(proof.extra ?? []), entry);
  assert.equal(verifyTlogProof(proof, entry, verifier).size, 1);
  assert.throws(() => verifyTlogProof(proof, Buffer.from('{"seq":2}'), verifier), { code: 'audit/proof' });
  for (const wrong of [
    '',
    text.replace('@v1', '@v2'),
    text.replace('index 0', 'index 00'),
    text.replace('index', 'at'),
  ]) {
    assert.throws(() => parseTlogProof(wrong), { code: 'audit/proof' }, wrong);
  }
});
