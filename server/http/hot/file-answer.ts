import { closeSync, readSync } from 'node:fs';

import { answerHead, resolveRange, type ObjectFacts } from './answer-head.ts';
import type { HotAnswer, Reply } from './hot-answer.ts';
import type { PlainRange } from './plain-request.ts';
import type { Scratch } from './scratch.ts';

/**
 * Longer ranges are read beside the event loop. One of this length comes out of the page cache in
 * less time than it takes to ask a thread for it; when it has to come from the disk all others wait,
 * as they do behind a sendfile.
 */
const MAX_RANGE_BYTES = 64 * 1024;

/** A large object of which ranges are asked for: its file, kept open. */
export class FileAnswer implements HotAnswer {
  readonly route: string;
  readonly cost = 1024;
  readonly #facts: ObjectFacts;
  readonly #keepAliveMs: number;
  readonly #scratch: Scratch;
  #fd: number | undefined;

  /** `fd`: a file that holds exactly the object; closed with this. `scratch` may serve many. */
  constructor(facts: ObjectFacts, fd: number, keepAliveMs: number, scratch: Scratch) {
    this.route = facts.route;
    this.#facts = facts;
    this.#fd = fd;
    this.#keepAliveMs = keepAliveMs;
    this.#scratch = scratch;
  }

  reply(range: PlainRange | undefined, id: string, date: string): Reply | undefined {
    const part = range && resolveRange(range, this.#facts.size);
    if (part === undefined || this.#fd === undefined) return undefined;
    const length = part.endExclusive - part.start;
    if (length > MAX_RANGE_BYTES) return undefined;
    const { beforeId, beforeDate, end } = answerHead(this.#facts, part, this.#keepAliveMs);
    const head = `${beforeId}${id}${beforeDate}${date}${end}`;
    const bytes = this.#scratch.take(head.length + length);
    bytes.write(head, 0, 'latin1');
    return fill(this.#fd, bytes, head.length, part.start)
      ? { bytes, bodyBytes: length }
      : undefined;
  }

  giveAway(): void {
    this.#scratch.giveAway();
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) closeSync(fd);
  }
}

/** False when the file can't be read: the routes then meet the fault, and tell it. */
function fill(fd: number, bytes: Buffer, from: number, position: number): boolean {
  let at = from;
  try {
    while (at < bytes.length) {
      const count = readSync(fd, bytes, at, bytes.length - at, position + at - from);
      if (count === 0) return false;
      at += count;
    }
    return true;
  } catch {
    return false;
  }
}
