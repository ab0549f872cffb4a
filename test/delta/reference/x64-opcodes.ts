// How x86-64 instructions go on after their opcode (CODING.md, "x86-64 instructions").

export type OpcodeForm =
  | 'bare'
  | 'modrm'
  | 'imm8'
  | 'imm32'
  | 'modrm-imm8'
  | 'modrm-imm32'
  | 'prefix'
  | 'rex'
  | 'imm16'
  | 'imm24'
  | 'offset'
  | 'imm64'
  | 'group3'
  | 'escape'
  | 'vex'
  | 'rel8'
  | 'rel32';

const FORMS: Readonly<Record<string, OpcodeForm>> = {
  '.': 'bare',
  m: 'modrm',
  b: 'imm8',
  d: 'imm32',
  B: 'modrm-imm8',
  D: 'modrm-imm32',
  p: 'prefix',
  r: 'rex',
  w: 'imm16',
  e: 'imm24',
  o: 'offset',
  q: 'imm64',
  g: 'group3',
  x: 'escape',
  v: 'vex',
  j: 'rel8',
  J: 'rel32',
};

/** A row for each high half of an opcode byte. */
const ONE_BYTE = [
  'mmmmbd..mmmmbd.x',
  'mmmmbd..mmmmbd..',
  'mmmmbdp.mmmmbdp.',
  'mmmmbdp.mmmmbdp.',
  'rrrrrrrrrrrrrrrr',
  '................',
  '..vmppppdDbB....',
  'jjjjjjjjjjjjjjjj',
  'BDBBmmmmmmmmmmmm',
  '................',
  'oooo....bd......',
  'bbbbbbbbqqqqqqqq',
  'BBw.vvBDe.w..b..',
  'mmmm....mmmmmmmm',
  'jjjjbbbbJJ.j....',
  'p.pp..gg......mm',
];

const AFTER_0F = [
  'mmmm.........m.m',
  'mmmmmmmmmmmmmmmm',
  'mmmmmmmmmmmmmmmm',
  '................',
  'mmmmmmmmmmmmmmmm',
  'mmmmmmmmmmmmmmmm',
  'mmmmmmmmmmmmmmmm',
  'BBBBmmm.mmmmmmmm',
  'JJJJJJJJJJJJJJJJ',
  'mmmmmmmmmmmmmmmm',
  '...mBmmm...mBmmm',
  'mmmmmmmmmmBmmmmm',
  'mmBmBBBm........',
  'mmmmmmmmmmmmmmmm',
  'mmmmmmmmmmmmmmmm',
  'mmmmmmmmmmmmmmmm',
];

function formIn(rows: readonly string[], opcode: number): OpcodeForm {
  return FORMS[rows[opcode >> 4]?.[opcode & 15] ?? '.'] ?? 'bare';
}

/** Of an opcode of one byte, a prefix or the like. */
export function oneByteForm(opcode: number): OpcodeForm {
  return formIn(ONE_BYTE, opcode);
}

/** Of an opcode of the map: 1 after 0F, 2 after 0F 38, 3 after 0F 3A; 0 and more of VEX and EVEX. */
export function formOfMap(map: number, opcode: number): OpcodeForm {
  if (map === 3) return 'modrm-imm8';
  return map === 2 ? 'modrm' : formIn(AFTER_0F, opcode);
}
