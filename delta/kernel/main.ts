// The kernel's interface to its host (delta/engine): numbers and addresses only. One session at a time,
// of an encoder or of a decoder; opening one drops what was before.

export { setAblation } from './ablation';
export { statBits, statCount } from './code/cost';
export {
  align,
  encodeControl,
  encodeSection,
  literalBytes,
  newPointer,
  oldPointer,
  openEncoder,
  sectionEnd,
} from './session/encoder';
export { codeLzma, lzmaInput, lzmaOutput, openLzma } from './lzma/chunks';
export { decodeControl, decodeSection, openDecoder, openSection } from './session/decoder';
export { inputPointer, outputBytes, outputPointer, outputStreams } from './session/streams';
export {
  findSegments,
  openSegments,
  segmentsFound,
  segmentsNew,
  segmentsOld,
} from './session/segments';
export { setSource } from './session/sources';
