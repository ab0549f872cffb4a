import type { DeltaBytes } from './delta-bytes.ts';
import type { Cost } from './generated.ts';

/** The one argument of `build-once.js`, as JSON. */
export interface BuildRequest {
  /** The folder of an origin of ours. */
  readonly data: string;
  readonly repo: string;
  readonly ref: string;
  /** Undefined: from scratch. */
  readonly from: string | undefined;
  readonly to: string;
  /** Where the answer goes, as JSON. */
  readonly report: string;
}

/** Its answer. */
export interface BuildReport {
  readonly bytes: DeltaBytes;
  /** Of the process from its start until the last part was made and stored, before the proof. */
  readonly made: Cost;
}
