import { type RouteGroup, routeGroup } from '#platform/http';
import { modelKey } from '../model.ts';
import { signingContract } from './contract.ts';
import type { SigningService } from './service.ts';

export function signingHandlers(service: SigningService): RouteGroup {
  const keyOf = (project: string, { model, version }: { readonly model: string; readonly version: number }) => ({
    model: modelKey(project, model),
    version,
  });
  return routeGroup(signingContract, {
    signVersion: async ({ params, upload }, ctx) =>
      service.sign(ctx, keyOf(ctx.project, params), await bytesOf(upload.bytes)),
    listSignatures: async ({ params }, ctx) => ({ items: await service.signatures(keyOf(ctx.project, params)) }),
    verifyVersion: ({ params }, ctx) => service.verify(keyOf(ctx.project, params)),
    listSigners: async () => ({ items: await service.signers.list() }),
    addSigner: ({ body }, ctx) => service.signers.add(ctx, body),
    revokeSigner: ({ params, query }, ctx) => service.signers.revoke(ctx, params.signer, query.reason),
  });
}

/** The route bounds how many there are. */
async function bytesOf(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}
