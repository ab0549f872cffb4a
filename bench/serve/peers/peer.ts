import type { Digest } from '../../../storage/digest.ts';
import type { TlsFiles } from '../tls-files.ts';

export type PeerName = 'rivulet' | 'nginx' | 'distribution' | 'zot';

export interface StartOptions {
  /** The server's own folder: its store, its configuration, its log. */
  readonly dir: string;
  /** The folder of the content, one file for each blob. */
  readonly content: string;
  /** Serving processes, for the servers that have them. */
  readonly workers: number;
  /** The value of GOMAXPROCS for the servers written in Go; undefined leaves it to them. */
  readonly goMaxProcs?: number | undefined;
  readonly tls?: TlsFiles | undefined;
}

export interface RunningPeer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** A server that the bench can put a load on. */
export interface Peer {
  readonly name: PeerName;
  readonly version: string;
  /** False: it serves the folder of the content; true: blobs are pushed to it. */
  readonly takesPushes: boolean;
  /** The path of a blob, where clients of this server ask for it. */
  readonly blobPath: (digest: Digest) => string;
  start(options: StartOptions): Promise<RunningPeer>;
}
