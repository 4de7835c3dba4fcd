/** How a gateway proves itself, and whom it lets in. All in PEM. */
export interface ServerTls {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Clients have to show a certificate that this authority signed; absent asks for none. */
  readonly clientCa?: Buffer | undefined;
}
