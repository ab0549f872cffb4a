import { createHash } from 'node:crypto';

/** A row as either engine gives it. */
export type Row = Readonly<Record<string, unknown>>;

const MODULUS = 2n ** 256n;

/** Counts rows and sums their digests: equal for equal rows in any order, whatever engine they are from. */
export class RowSum {
  readonly #columns: readonly string[];
  #rows = 0;
  #sum = 0n;

  constructor(columns: readonly string[]) {
    this.#columns = columns;
  }

  get rows(): number {
    return this.#rows;
  }

  add(row: Row): void {
    const values = this.#columns.map((column) => plain(row[column]));
    const digest = createHash('sha256').update(JSON.stringify(values)).digest('hex');
    this.#rows += 1;
    this.#sum = (this.#sum + BigInt(`0x${digest}`)) % MODULUS;
  }

  equals(other: RowSum): boolean {
    return this.#rows === other.#rows && this.#sum === other.#sum;
  }
}

function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('hex') } : value;
}
