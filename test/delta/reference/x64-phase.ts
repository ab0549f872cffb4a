import { formOfMap, oneByteForm, type OpcodeForm } from './x64-opcodes.ts';
import { product, u32 } from './word.ts';

/** What the next byte is; of several bytes, the first has the number given and the others go on. */
export const Step = {
  start: 0,
  afterPrefix: 1,
  afterRex: 2,
  after0f: 3,
  after0f38: 4,
  after0f3a: 5,
  vex: 6,
  afterVex: 9,
  modrm: 10,
  sib: 11,
  disp8: 12,
  disp32: 13,
  rel8: 17,
  rel32: 18,
  rip32: 22,
  imm8: 26,
  imm16: 27,
  imm32: 30,
  imm64: 34,
} as const;

/** Where the next byte stands in its x86-64 instruction, followed byte by byte. */
export class X64Phase {
  step: number = Step.start;
  /** Bytes of immediate that follow the displacement. */
  immediate = 0;
  /** The opcode (8 bits), its map (2), prefixes that change it. */
  opcode = 0;
  modrm = 0;
  /** Hash of the instruction's bytes. */
  soFar = 0;
  /** The three instructions before, the last one first: opcode and ModRM byte << 16. */
  last1 = 0;
  last2 = 0;
  last3 = 0;
  #map = 0;
  #isWide = false;
  #isNarrow = false;
  /** 2 after F2, 3 after F3. */
  #repeat = 0;
  /** Bytes to come of what is at hand. */
  #left = 0;

  next(byte: number): void {
    const sum = product(u32(this.soFar + byte + 1), 0x2f0b4c47);
    this.soFar = u32(sum ^ (sum >>> 15));
    if (this.step <= Step.afterRex) this.#readOpcode(byte);
    else if (this.step < Step.modrm) this.#readLongOpcode(byte);
    else if (this.step === Step.modrm) this.#readModRm(byte);
    else if (this.step === Step.sib) {
      // Base 5 without displacement means a displacement without base.
      const hasDisplacement = (byte & 7) === 5 && this.modrm < 0x40;
      this.#expectDisplacement(hasDisplacement ? Step.disp32 : undefined);
    } else {
      this.step++;
      if (--this.#left === 0) this.#expectImmediate(this.immediate);
    }
  }

  #begin(): void {
    this.step = Step.start;
    this.immediate = this.opcode = this.modrm = this.soFar = 0;
    this.#map = this.#repeat = this.#left = 0;
    this.#isWide = this.#isNarrow = false;
  }

  #finish(): void {
    this.last3 = this.last2;
    this.last2 = this.last1;
    this.last1 = this.opcode | (this.modrm << 16);
    this.#begin();
  }

  #readOpcode(byte: number): void {
    const form = oneByteForm(byte);
    switch (form) {
      case 'prefix':
        if (byte === 0x66) this.#isNarrow = true;
        else if (byte >= 0xf2) this.#repeat |= byte & 3;
        this.step = Step.afterPrefix;
        break;
      case 'rex':
        if ((byte & 8) !== 0) this.#isWide = true;
        this.step = Step.afterRex;
        break;
      case 'escape':
        this.step = Step.after0f;
        break;
      case 'vex':
        this.#map = byte === 0xc5 ? 1 : 0;
        this.#expect(Step.vex, byte === 0xc5 ? 1 : byte === 0xc4 ? 2 : 3);
        break;
      default:
        this.#readForm(byte, form);
    }
  }

  #readLongOpcode(byte: number): void {
    const { step } = this;
    if (step === Step.after0f && byte === 0x38) this.step = Step.after0f38;
    else if (step === Step.after0f && byte === 0x3a) this.step = Step.after0f3a;
    else if (step < Step.vex) this.#readOfMap(byte, step - Step.after0f + 1);
    else if (step === Step.afterVex) this.#readOfMap(byte, this.#map);
    else {
      if (this.#map === 0) this.#map = byte & 3;
      this.step = --this.#left === 0 ? Step.afterVex : step + 1;
    }
  }

  #readOfMap(byte: number, map: number): void {
    this.#map = map;
    this.#readForm(byte, formOfMap(map, byte));
  }

  #readForm(byte: number, form: OpcodeForm): void {
    const prefixes = (this.#isWide ? 1 : 0) | (this.#isNarrow ? 2 : 0) | (this.#repeat << 2);
    this.opcode = byte | (this.#map << 8) | (prefixes << 10);
    const word = this.#isNarrow ? 2 : 4;
    switch (form) {
      case 'modrm':
      case 'group3':
        this.#expectModRm(0);
        break;
      case 'modrm-imm8':
        this.#expectModRm(1);
        break;
      case 'modrm-imm32':
        this.#expectModRm(word);
        break;
      case 'imm8':
        this.#expectImmediate(1);
        break;
      case 'imm16':
        this.#expectImmediate(2);
        break;
      case 'imm24':
        this.#expectImmediate(3);
        break;
      case 'imm32':
        this.#expectImmediate(word);
        break;
      case 'imm64':
        this.#expectImmediate(this.#isWide ? 8 : word);
        break;
      case 'offset':
        this.#expectImmediate(8);
        break;
      case 'rel8':
        this.#expect(Step.rel8, 1);
        break;
      case 'rel32':
        this.#expect(Step.rel32, 4);
        break;
      default:
        this.#finish();
    }
  }

  #expect(first: number, bytes: number): void {
    this.step = first;
    this.#left = bytes;
  }

  #expectModRm(following: number): void {
    this.step = Step.modrm;
    this.immediate = following;
  }

  /** No bytes: the instruction is at its end. */
  #expectImmediate(bytes: number): void {
    if (bytes === 0) {
      this.#finish();
      return;
    }
    this.immediate = 0;
    const step = bytes === 1 ? Step.imm8 : bytes < 4 ? Step.imm16 : Step.imm32;
    this.#expect(bytes === 8 ? Step.imm64 : step, bytes);
  }

  #readModRm(byte: number): void {
    this.modrm = byte;
    // TEST of opcodes F6 and F7 has an immediate.
    if ((this.opcode & 0x3fe) === 0xf6 && (byte & 0x30) === 0) {
      this.immediate = (this.opcode & 1) === 0 ? 1 : this.#isNarrow ? 2 : 4;
    }
    if (byte < 0xc0 && (byte & 7) === 4) this.step = Step.sib;
    else this.#expectDisplacement((byte & 0xc7) === 5 ? Step.rip32 : undefined);
  }

  /** `first` is the displacement that there is in any case. */
  #expectDisplacement(first: number | undefined): void {
    const mode = this.modrm >> 6;
    if (first !== undefined) this.#expect(first, 4);
    else if (mode === 1) this.#expect(Step.disp8, 1);
    else if (mode === 2) this.#expect(Step.disp32, 4);
    else this.#expectImmediate(this.immediate);
  }
}
