import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { digestOf } from '#core/hash';
import { readApprovalKey } from './approval-key.ts';

test('a key of openssl has the id that the platform gives it, and what it signs verifies', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = await readApprovalKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());

  assert.equal(key.id, digestOf(publicKey.export({ type: 'spki', format: 'der' })));
  assert.equal(key.publicKey, publicKey.export({ type: 'spki', format: 'pem' }).toString());
  const text = '{"reason":"geprüft ☃"}';
  const signature = Buffer.from(await key.sign(text), 'base64');
  assert.ok(verify(null, Buffer.from(text), createPublicKey(key.publicKey), signature));
});

test('another kind of key, a public key and no key at all are refused in words', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rsa = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  await assert.rejects(readApprovalKey(rsa), /expected an Ed25519 private key/);
  await assert.rejects(readApprovalKey(publicKey.export({ type: 'spki', format: 'pem' }).toString()), /BEGIN PRIVATE/);
  await assert.rejects(readApprovalKey('hello'), /BEGIN PRIVATE/);
});
