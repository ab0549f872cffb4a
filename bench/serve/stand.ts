import { join } from 'node:path';

import type { BenchBlob } from './content.ts';
import type { Peer, PeerName, RunningPeer } from './peers/peer.ts';
import { pushBlobs } from './push.ts';
import type { Entry } from './scenarios.ts';
import type { TlsFiles } from './tls-files.ts';

/** Servers with their folders: each has been pushed what it serves before a load meets it. */
export class Stand {
  readonly #dir: string;
  readonly #content: string;
  readonly #peers: ReadonlyMap<PeerName, Peer>;
  readonly #pushed = new Map<string, Set<BenchBlob>>();
  readonly #running = new Map<string, RunningPeer>();

  /** `content` is the folder of the blobs' files. */
  constructor(dir: string, content: string, peers: readonly Peer[]) {
    this.#dir = dir;
    this.#content = content;
    this.#peers = new Map(peers.map((peer) => [peer.name, peer]));
  }

  peer(name: PeerName): Peer | undefined {
    return this.#peers.get(name);
  }

  /** The entry's server with these blobs; entries with the same settings share one that runs. */
  async start(
    entry: Entry,
    blobs: readonly BenchBlob[],
    tls: TlsFiles | undefined,
  ): Promise<RunningPeer> {
    const key = [entry.peer, entry.workers, entry.goMaxProcs ?? 'all'].join('-');
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const peer = this.#peers.get(entry.peer);
    if (peer === undefined) throw new Error(`${entry.peer} is not there`);
    const { workers, goMaxProcs } = entry;
    const options = { dir: join(this.#dir, key), content: this.#content, workers, goMaxProcs };
    if (peer.takesPushes) {
      await this.#push(key, blobs, () => peer.start(options));
    }
    const started = await peer.start({ ...options, tls });
    this.#running.set(key, started);
    return started;
  }

  /** Pushes what is missing to a server of its own, so that pushing leaves no trace in figures. */
  async #push(
    key: string,
    blobs: readonly BenchBlob[],
    start: () => Promise<RunningPeer>,
  ): Promise<void> {
    const pushed = this.#pushed.get(key) ?? new Set();
    this.#pushed.set(key, pushed);
    const missing = blobs.filter((blob) => !pushed.has(blob));
    if (missing.length === 0) return;
    const server = await start();
    this.#running.set(key, server);
    await pushBlobs(server.url, missing);
    this.#running.delete(key);
    await server.stop();
    for (const blob of missing) pushed.add(blob);
  }

  /** Stops every server that runs. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((server) => server.stop()));
    this.#running.clear();
  }
}
