import { deltaFolder, deltaPath, type DeltaName } from '../checksum-base64.ts';

/** The key under which a superblock holds the to-commit's detached metadata. */
export function commitmetaKey(delta: DeltaName): string {
  return `${deltaFolder(delta)}/commitmeta`;
}

/** The key under which a superblock holds one of its parts: the path where it would stand else. */
export function inlinePartKey(delta: DeltaName, part: number): string {
  return deltaPath({ delta, file: part });
}
