import { z } from 'zod';
import { contract, route } from '#platform/contract';
import { digestSchema } from '../spec.ts';
import { STEP_FILES_BYTES_MAX } from '../step-files.ts';

/** The largest code bundle as it is sent: its texts, and what JSON adds to them. */
const CODE_UPLOAD_BYTES_MAX = 17 * 1024 * 1024;
export const CODE_MEDIA_TYPE = 'application/vnd.kedge.code';
export const FILE_MEDIA_TYPE = 'application/octet-stream';

/** What pipelines are made of, sent before they are declared. */
export const contentContract = contract({
  putPipelineCode: route({
    method: 'POST',
    path: '/api/v1/pipeline-code',
    summary: 'Store a code bundle and answer its digest, for the code of a pipeline',
    permission: 'pipelines:write',
    upload: [CODE_MEDIA_TYPE],
    bodyBytesMax: CODE_UPLOAD_BYTES_MAX,
    reply: z.object({ digest: digestSchema, files: z.number().int() }),
    errors: ['pipelines/code-invalid'],
    audit: 'pipeline-code.put',
  }),
  putPipelineFile: route({
    method: 'POST',
    path: '/api/v1/pipeline-files',
    summary: 'Store a file and answer its digest, for the files of a step',
    permission: 'pipelines:write',
    upload: [FILE_MEDIA_TYPE],
    bodyBytesMax: STEP_FILES_BYTES_MAX,
    reply: z.object({ digest: digestSchema, bytes: z.number().int() }),
    audit: 'pipeline-file.put',
  }),
});
