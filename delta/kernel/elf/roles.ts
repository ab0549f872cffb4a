// What a section is to the scanners, told from its type, flags and name.

import { isNamed, begins, holds } from './names';
import { Image, Machine, Role, Section, SectionFlag } from './image';

/** sh_type, as far as it decides. */
const enum Type {
  SYMTAB = 2,
  STRTAB = 3,
  RELA = 4,
  HASH = 5,
  NOTE = 7,
  REL = 9,
  DYNSYM = 11,
  GNU_HASH = 0x6ffffff6,
  ARM_EXIDX = 0x70000001,
  GNU_VERDEF = 0x6ffffffd,
  GNU_VERNEED = 0x6ffffffe,
  GNU_VERSYM = 0x6fffffff,
}

/** The role of `section`; `name` is where its name lies, ended by a zero. */
export function roleOf(image: Image, section: Section, type: u32, name: usize): u32 {
  if (section.flags & SectionFlag.EXECUTABLE) return codeRole(image, section, name);
  const entry = section.entry;
  if (type === Type.SYMTAB || type === Type.DYNSYM) {
    return entry === (image.is64 ? 24 : 16) ? Role.SYMBOLS : Role.NONE;
  }
  if (type === Type.RELA) return entry === (image.is64 ? 24 : 12) ? Role.RELOCATIONS : Role.NONE;
  if (type === Type.REL) return entry === (image.is64 ? 16 : 8) ? Role.RELOCATIONS : Role.NONE;
  if (type === Type.STRTAB) return Role.STRINGS;
  if (type === Type.GNU_HASH) return Role.GNU_HASH;
  if (image.machine === Machine.A32) {
    if (type === Type.ARM_EXIDX) return Role.ARM_EXIDX;
    if (isNamed(name, '.ARM.extab')) return Role.ARM_EXTAB;
  }
  if (type === Type.HASH || isVersions(type)) return Role.NONE;
  // Notes are not loaded, but hold addresses (.note.stapsdt).
  if (type === Type.NOTE) return Role.DATA;
  return section.address === 0 ? Role.NONE : loadedRole(name);
}

function isVersions(type: u32): bool {
  return type === Type.GNU_VERDEF || type === Type.GNU_VERNEED || type === Type.GNU_VERSYM;
}

function codeRole(image: Image, section: Section, name: usize): u32 {
  if (section.address === 0) return Role.NONE;
  return image.machine === Machine.A32 && isNamed(name, '.plt') ? Role.A32_PLT : Role.CODE;
}

/** Position-independent Go programs put `.data.rel.ro` before their sections' names. */
function loadedRole(name: usize): u32 {
  if (isNamed(name, '.eh_frame')) return Role.EH_FRAME;
  if (isNamed(name, '.eh_frame_hdr')) return Role.EH_FRAME_HDR;
  if (holds(name, '.gopclntab')) return Role.GO_PCLNTAB;
  if (holds(name, '.typelink')) return Role.GO_TYPELINK;
  return begins(name, '.debug') ? Role.NONE : Role.DATA;
}

/** The flags that only the name tells. */
export function flagsOfName(role: u32, name: usize): u32 {
  if (role === Role.RELOCATIONS && holds(name, '.plt')) return SectionFlag.PLT;
  return role === Role.CODE && isNamed(name, '.text') ? SectionFlag.TEXT : 0;
}
