export type FsckFaultKind =
  /** Bytes that are not those of their digest. */
  | 'corrupt'
  /** A row names bytes that are not there. */
  | 'missing'
  /** More or fewer bytes than a row says. */
  | 'wrong_size'
  /** The store fails on reading it. */
  | 'unreadable'
  /** An object under a key that holds no blob. */
  | 'misplaced';

export interface FsckFault {
  readonly kind: FsckFaultKind;
  /** The blob's digest, an OSTree object's kind and checksum, or the key where there is neither. */
  readonly subject: string;
  /** What stops working, in words. */
  readonly affects: string;
}
