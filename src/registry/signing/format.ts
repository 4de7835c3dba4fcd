/** What a signature file is called and how it is told from others: also for callers that run in a browser. */
export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
export const BUNDLE_BYTES_MAX = 8 * 1024 * 1024;
export const SIGNATURE_FILE = 'model.sig';
