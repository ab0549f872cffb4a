import { check, u32 } from './word.ts';

const NAMES = ['numbers', 'gaps', 'values', 'literals'] as const;

export type StreamName = (typeof NAMES)[number];

/** The four streams of the fast profile; those left out are empty. */
export class PlainStreams {
  readonly #streams: Readonly<Record<StreamName, { readonly bytes: Uint8Array; at: number }>>;

  constructor(streams: readonly Uint8Array[]) {
    const [numbers, gaps, values, literals] = NAMES.map((_, i) => ({
      bytes: streams[i] ?? new Uint8Array(0),
      at: 0,
    }));
    check(
      numbers !== undefined && gaps !== undefined && values !== undefined && literals !== undefined,
      'streams',
    );
    this.#streams = { numbers, gaps, values, literals };
  }

  get isUsedUp(): boolean {
    return NAMES.every((name) => this.isEmpty(name));
  }

  isEmpty(name: StreamName): boolean {
    const stream = this.#streams[name];
    return stream.at === stream.bytes.length;
  }

  byte(name: StreamName): number {
    const stream = this.#streams[name];
    const byte = stream.bytes[stream.at++];
    check(byte !== undefined, `${name} ends early`);
    return byte;
  }

  bytes(name: StreamName, length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.byte(name));
  }

  /** LEB128 of 32 bits. */
  number(name: StreamName): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte(name);
      check(shift < 28 || byte < 16, `${name}: number too long`);
      value = u32(value | ((byte & 127) << shift));
      if (byte < 128) return value;
    }
  }
}
