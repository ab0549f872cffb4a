import { answerHead, resolveRange, type ObjectFacts } from './answer-head.ts';
import { DATE_LENGTH, ID_LENGTH, type HotAnswer, type Reply } from './hot-answer.ts';
import type { PlainRange } from './plain-request.ts';

/**
 * A small object, with the whole answer in one buffer that is sent again and again: only the
 * request's id and the date are written into it each time.
 */
export class MemoryAnswer implements HotAnswer {
  readonly route: string;
  readonly #facts: ObjectFacts;
  readonly #keepAliveMs: number;
  readonly #idAt: number;
  readonly #dateAt: number;
  readonly #bodyAt: number;
  #whole: Reply;
  #date = '';

  /** `keepAliveMs`: how long an idle connection is kept. */
  constructor(facts: ObjectFacts, body: Buffer, keepAliveMs: number) {
    this.route = facts.route;
    this.#facts = facts;
    this.#keepAliveMs = keepAliveMs;
    const { beforeId, beforeDate, end } = answerHead(facts, undefined, keepAliveMs);
    this.#idAt = beforeId.length;
    this.#dateAt = this.#idAt + ID_LENGTH + beforeDate.length;
    const blanks = [' '.repeat(ID_LENGTH), ' '.repeat(DATE_LENGTH)] as const;
    const head = `${beforeId}${blanks[0]}${beforeDate}${blanks[1]}${end}`;
    this.#bodyAt = head.length;
    const bytes = Buffer.concat([Buffer.from(head, 'latin1'), body]);
    this.#whole = { bytes, bodyBytes: body.length };
  }

  get cost(): number {
    return this.#whole.bytes.length;
  }

  reply(range: PlainRange | undefined, id: string, date: string): Reply | undefined {
    if (range !== undefined) return this.#part(range, id, date);
    const { bytes } = this.#whole;
    bytes.write(id, this.#idAt, ID_LENGTH, 'latin1');
    if (date !== this.#date) {
      bytes.write(date, this.#dateAt, DATE_LENGTH, 'latin1');
      this.#date = date;
    }
    return this.#whole;
  }

  giveAway(): void {
    const { bytes, bodyBytes } = this.#whole;
    this.#whole = { bytes: Buffer.from(bytes), bodyBytes };
  }

  close(): void {
    // Memory goes by itself.
  }

  #part(range: PlainRange, id: string, date: string): Reply | undefined {
    const part = resolveRange(range, this.#facts.size);
    if (part === undefined) return undefined;
    const { beforeId, beforeDate, end } = answerHead(this.#facts, part, this.#keepAliveMs);
    const head = Buffer.from(`${beforeId}${id}${beforeDate}${date}${end}`, 'latin1');
    const body = this.#whole.bytes.subarray(
      this.#bodyAt + part.start,
      this.#bodyAt + part.endExclusive,
    );
    return { bytes: Buffer.concat([head, body]), bodyBytes: body.length };
  }
}
