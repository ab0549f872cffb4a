import { Random } from './random.ts';
import { FUNCTIONS, sampleElf } from './sample-elf.ts';

const E_MACHINE = 18;

/** One of the machines that the engine knows, by its number in an ELF header. */
export interface Program {
  readonly machine: number;
  readonly bytes: Buffer;
  /** Where its code and its tables begin. */
  readonly offsets: readonly number[];
  /** These, its file header and its section headers. */
  readonly areas: readonly number[];
}

/** x86-64, AArch64, RISC-V, Arm. */
const MACHINES = [
  { machine: 62, is64: true },
  { machine: 183, is64: true },
  { machine: 243, is64: true },
  { machine: 40, is64: false },
] as const;

/** Bytes that begin an instruction with a reference, for some machine. */
const OPCODES = [
  0xe8, 0xe9, 0x0f84, 0x058b4c, 0x94000000, 0x90000000, 0x17, 0xef, 0xeb000000, 0xf000,
];

/** An executable of each machine, with every table that the scanners know and code that means nothing. */
export function samplePrograms(): readonly Program[] {
  return MACHINES.map(({ machine, is64 }) => {
    const elf = sampleElf(is64);
    const bytes = Buffer.from(elf.bytes);
    bytes.writeUInt16LE(machine, E_MACHINE);
    const text = elf.places.offset('.text');
    fillCode(bytes.subarray(text, text + 64 * FUNCTIONS), new Random('code', machine));
    const offsets = [...elf.places.offsets.values()].sort((a, b) => a - b);
    return { machine, bytes, offsets, areas: [0, ...offsets, elf.headers] };
  });
}

function fillCode(code: Buffer, random: Random): void {
  for (let at = 0; at + 4 <= code.length; at += 4) {
    const isReference = random.below(3) === 0;
    code.writeUInt32LE(
      isReference ? (random.pick(OPCODES) | random.below(0x4000)) >>> 0 : random.next(),
      at,
    );
  }
}

/** The next version: some of the code moved, some of its bytes and of every table changed. */
export function nextVersion({ bytes, offsets }: Program, random: Random): Buffer {
  const made = Buffer.from(bytes);
  for (const [n, offset] of offsets.entries()) {
    const length = (offsets[n + 1] ?? made.length) - offset;
    for (let left = 1 + random.below(8); left > 0; left -= 1) {
      made[offset + random.below(length)] = random.next() & 0xff;
    }
  }
  const from = made.length >> 2;
  made.copyWithin(from + 16, from, from + 4000);
  return made;
}
