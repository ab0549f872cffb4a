import { Image, Role } from '../elf/image';
import { isUsualHeader, prepareEhFrame } from './eh-frame-refs';
import { prepareGo } from './go-tables';

/**
 * Reads what scans of single pages need to know of the whole image. A table that is not as its scanner
 * expects it becomes plain data.
 */
export function prepareScan(image: Image): void {
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const section = image.section(i);
    if (section.role === Role.EH_FRAME) prepareEhFrame(section);
    if (section.role === Role.EH_FRAME_HDR && !isUsualHeader(section)) section.role = Role.DATA;
    if (section.role === Role.GO_PCLNTAB && !prepareGo(image, section)) section.role = Role.DATA;
  }
}
