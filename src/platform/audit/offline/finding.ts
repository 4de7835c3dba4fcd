/** What is wrong with a log, as far as it could be located. */
export interface Finding {
  /** The number of the first entry concerned. Absent when what is wrong concerns no entry in particular. */
  readonly seq?: number;
  /** The resource in which it lies, such as `tile/entries/001`. */
  readonly place: string;
  readonly reason: string;
}

/** Ends a verification at the first thing that is wrong. */
export class Found extends Error {
  override readonly name = 'Found';
  readonly finding: Finding;

  constructor(finding: Finding) {
    super(finding.reason);
    this.finding = finding;
  }
}
