import { Readable } from 'node:stream';

import { readBlob, type BlobReader } from '../blob-store.ts';
import type { Digest } from '../digest.ts';
import { StorageError } from '../errors.ts';
import type { ByteRange, IoOptions } from '../object-store.ts';
import {
  MAX_MAP_BYTES,
  parseCompositeMap,
  partsOf,
  startsOf,
  type CompositeMap,
  type CompositePart,
} from './composite-map.ts';
import { PartStreams } from './part-streams.ts';

interface OpenMap {
  readonly map: CompositeMap;
  readonly starts: Float64Array;
}

/** Maps held in memory: some ten bytes a part. */
const MAX_HELD = 32;

/** Reads composite blobs: bytes that no object holds, out of runs of others. */
export class CompositeReader {
  readonly #blobs: BlobReader;
  readonly #maps = new Map<Digest, Promise<OpenMap>>();

  constructor(blobs: BlobReader) {
    this.#blobs = blobs;
  }

  /** Bytes of the composite of that map. Throws `missing` when its map is gone, `corrupt`. */
  async size(map: Digest): Promise<number> {
    return (await this.#map(map)).map.size;
  }

  /**
   * Opens a range of a composite, whose bytes are not checked. Throws `missing` and `corrupt` for its
   * map; what a lost blob makes missing destroys the stream.
   */
  async open(digest: Digest, range: ByteRange, options: IoOptions = {}): Promise<Readable> {
    const { map, starts } = await this.#map(digest);
    if (range.endExclusive > map.size) {
      throw new StorageError(
        'range_unsatisfiable',
        `no byte ${range.endExclusive - 1} in ${map.size}`,
      );
    }
    const parts = partsOf(map, starts, range);
    return Readable.from(this.#bytes(parts, options), { objectMode: false });
  }

  async *#bytes(parts: readonly CompositePart[], options: IoOptions): AsyncGenerator<Buffer> {
    const streams = new PartStreams(this.#blobs, parts, options);
    try {
      for (const index of parts.keys()) yield* streams.read(index);
    } finally {
      await streams.close();
    }
  }

  #map(map: Digest): Promise<OpenMap> {
    const known = this.#maps.get(map);
    this.#maps.delete(map);
    const opened = known ?? this.#load(map);
    this.#maps.set(map, opened);
    for (const oldest of this.#maps.keys()) {
      if (this.#maps.size <= MAX_HELD) break;
      this.#maps.delete(oldest);
    }
    if (known === undefined) {
      opened.catch(() => {
        this.#maps.delete(map);
      });
    }
    return opened;
  }

  /** Without a signal: others may be waiting for the same map. */
  async #load(digest: Digest): Promise<OpenMap> {
    const map = parseCompositeMap(await readBlob(this.#blobs, digest, { maxBytes: MAX_MAP_BYTES }));
    return { map, starts: startsOf(map) };
  }
}
