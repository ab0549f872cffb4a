import {
  buildElf,
  CODE,
  type Elf,
  LOADED,
  putWord,
  type SectionSpec,
  WRITABLE,
} from './elf-builder.ts';

export const FUNCTIONS = 300;
export const SYMBOLS = 300;

const CIE_BYTES = 28;
const FDE_BYTES = 32;
/** Of the Go table, from its first byte. */
export const GO = { names: 128, units: 256, counters: 384, functab: 512, headBytes: 44 };
export const GO_RECORDS = GO.functab + 8 * FUNCTIONS + 8;
/** Two lists of counters, three of data. */
export const GO_RECORD_BYTES = GO.headBytes + 4 * 5;

/** An executable with every table that the scanners know. */
export function sampleElf(is64: boolean): Elf {
  const machine = is64 ? 62 : 40;
  return buildElf({ is64, machine, lowest: 0x400000, sections: sampleSections(is64) });
}

function sampleSections(is64: boolean): SectionSpec[] {
  const word = is64 ? 8 : 4;
  const rela = is64 ? 24 : 8;
  const code = LOADED | CODE;
  return [
    { name: '.text', flags: code, bytes: 64 * FUNCTIONS },
    { name: '.dynsym', type: 11, link: '.dynstr', entry: is64 ? 24 : 16, ...symbols(is64) },
    { name: '.dynstr', type: 3, bytes: 5 * SYMBOLS + 1 },
    { name: '.rela.plt', type: is64 ? 4 : 9, link: '.dynsym', entry: rela, ...relocations(is64) },
    { name: '.eh_frame', ...ehFrame() },
    { name: '.eh_frame_hdr', ...ehFrameHeader() },
    {
      name: '.rodata',
      bytes: 0x3000,
      fill: (view) => {
        fillTypes(view);
      },
    },
    { name: '.gopclntab', ...goTable(is64) },
    {
      name: '.typelink',
      bytes: 40,
      fill: (view) => {
        fillEach(view, 4, (i) => 0x1000 + 64 * i);
      },
    },
    { name: '.data', flags: LOADED | WRITABLE, bytes: 100 * word, fill: moduleData(is64) },
  ];
}

function fillEach(view: DataView, step: number, value: (i: number) => number): void {
  for (let i = 0; i * step + 4 <= view.byteLength; i++) view.setUint32(i * step, value(i), true);
}

function symbols(is64: boolean): Pick<SectionSpec, 'bytes' | 'fill'> {
  const entry = is64 ? 24 : 16;
  return {
    bytes: entry * SYMBOLS,
    fill: (view, places) => {
      for (let i = 1; i < SYMBOLS; i++) {
        view.setUint32(i * entry, 5 * i, true);
        putWord(view, { is64 }, i * entry + (is64 ? 8 : 4), places.address('.text') + 16 * i);
        // A size that could be taken for an address.
        putWord(view, { is64 }, i * entry + (is64 ? 16 : 8), places.address('.text'));
      }
    },
  };
}

function relocations(is64: boolean): Pick<SectionSpec, 'bytes' | 'fill'> {
  const entry = is64 ? 24 : 8;
  return {
    bytes: entry * 200,
    fill: (view, places) => {
      for (let i = 0; i < 200; i++) {
        putWord(view, { is64 }, i * entry, places.address('.data') + i * (is64 ? 8 : 4));
        view.setUint32(i * entry + (is64 ? 12 : 4), is64 ? i : (i << 8) | 22, true);
      }
    },
  };
}

/** One CIE with an LSDA and one without; every other function has one. */
function ehFrame(): Pick<SectionSpec, 'bytes' | 'fill'> {
  return {
    bytes: 2 * CIE_BYTES + FUNCTIONS * FDE_BYTES + 4,
    fill: (view, places) => {
      const text = places.address('.text') - places.address('.eh_frame');
      const table = places.address('.rodata') - places.address('.eh_frame');
      writeCie(view, 0, [0x7a, 0x52, 0], [0x1b]);
      writeCie(view, CIE_BYTES, [0x7a, 0x50, 0x4c, 0x52, 0], [0x9b, 0, 0, 0, 0, 0x1b, 0x1b]);
      for (let i = 0; i < FUNCTIONS; i++) {
        const at = 2 * CIE_BYTES + i * FDE_BYTES;
        const hasTable = i % 2 === 1;
        view.setUint32(at, FDE_BYTES - 4, true);
        view.setUint32(at + 4, at + 4 - (hasTable ? CIE_BYTES : 0), true);
        view.setInt32(at + 8, text + 64 * i - (at + 8), true);
        view.setUint32(at + 12, 60, true);
        view.setUint8(at + 16, hasTable ? 4 : 0);
        if (hasTable) view.setInt32(at + 17, table + 4 * i - (at + 17), true);
      }
    },
  };
}

function writeCie(view: DataView, at: number, letters: number[], augmentation: number[]): void {
  view.setUint32(at, CIE_BYTES - 4, true);
  const bytes = [1, ...letters, 1, 0x78, 16, augmentation.length, ...augmentation];
  bytes.forEach((byte, i) => {
    view.setUint8(at + 8 + i, byte);
  });
}

function ehFrameHeader(): Pick<SectionSpec, 'bytes' | 'fill'> {
  return {
    bytes: 12 + 8 * FUNCTIONS,
    fill: (view, places) => {
      const here = places.address('.eh_frame_hdr');
      view.setUint32(0, 0x3b031b01, true);
      view.setInt32(4, places.address('.eh_frame') - (here + 4), true);
      view.setUint32(8, FUNCTIONS, true);
      for (let i = 0; i < FUNCTIONS; i++) {
        const record = places.address('.eh_frame') + 2 * CIE_BYTES + FDE_BYTES * i;
        view.setInt32(12 + 8 * i, places.address('.text') + 64 * i - here, true);
        view.setInt32(16 + 8 * i, record - here, true);
      }
    },
  };
}

/** Type data: every fourth 32-bit word is an offset in it. */
function fillTypes(view: DataView): void {
  fillEach(view, 16, (i) => 0x1000 + 8 * (i % 512));
}

function goTable(is64: boolean): Pick<SectionSpec, 'bytes' | 'fill'> {
  return {
    bytes: GO_RECORDS + FUNCTIONS * GO_RECORD_BYTES,
    fill: (view, places) => {
      const text = places.address('.text');
      view.setUint32(0, 0xfffffff1, true);
      view.setUint8(7, is64 ? 8 : 4);
      const words = [FUNCTIONS, 1, text, GO.names, GO.units, 0, GO.counters, GO.functab];
      words.forEach((value, i) => {
        putWord(view, { is64 }, 8 + i * (is64 ? 8 : 4), value);
      });
      for (let i = 0; i < FUNCTIONS; i++) {
        const record = GO_RECORDS + i * GO_RECORD_BYTES;
        view.setUint32(GO.functab + 8 * i, 64 * i, true);
        view.setUint32(GO.functab + 8 * i + 4, record - GO.functab, true);
        const fields = [64 * i, 3 * i + 1, 0, 8, 2, 4, 6, 2, 1, 0];
        const lists = [10, 0, 4 * i, 0xffffffff, 8];
        [...fields, 0x03000000, ...lists].forEach((value, k) => {
          view.setUint32(record + 4 * k, value, true);
        });
      }
    },
  };
}

/** runtime.moduledata from the fifth word on. */
function moduleData(is64: boolean): NonNullable<SectionSpec['fill']> {
  return (view, places) => {
    const word = (index: number, value: number) => {
      putWord(view, { is64 }, (4 + index) * (is64 ? 8 : 4), value);
    };
    const types = places.address('.rodata');
    word(0, places.address('.gopclntab'));
    word(1, places.address('.gopclntab') + GO.names);
    word(37, types);
    word(38, types + 0x2000);
    word(40, types + 0x2800);
  };
}
