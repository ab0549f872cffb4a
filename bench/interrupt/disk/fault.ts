/** What the preload does to the disk of the process that it is loaded into. */
export interface DiskFault {
  /** The folder that counts as the disk; nothing outside is touched. */
  readonly root: string;
  /**
   * `cut`: the power goes after step `at`. `full`: from step `at` on nothing can be written or created
   * (ENOSPC). `read-only`: from step `at` on nothing can be changed (EROFS). Steps are calls that change
   * the folder or sync it, from 1.
   */
  readonly kind: 'cut' | 'full' | 'read-only';
  readonly at: number;
  readonly seed: string;
  /** A file outside the folder for a {@link DiskReport}. */
  readonly report: string;
}

/** Left when the power was cut, or at the exit. */
export interface DiskReport {
  readonly steps: number;
  readonly struck: boolean;
  /** Bytes that were written to files. */
  readonly writtenBytes: number;
  readonly unsyncedWrites: number;
  readonly lostWrites: number;
  readonly unsyncedNames: number;
  readonly lostNames: number;
}

/** The environment variable that holds the fault as JSON. */
export const DISK_FAULT_ENV = 'RIVULET_BENCH_DISK_FAULT';
