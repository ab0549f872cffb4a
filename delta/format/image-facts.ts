import { digestAlgorithm, digestOf } from '../../storage/digest.ts';
import { DeltaError } from '../errors.ts';
import { parseConfig, parseManifest } from '../image-documents.ts';
import type { ImageFacts, OutputFacts } from './facts.ts';

/**
 * Checks an image delta's chain: manifest digest -> config digest -> diff_ids -> outputs. Throws
 * `bad_format` or `corrupt`.
 */
export function checkImageFacts(image: ImageFacts, outputs: readonly OutputFacts[]): void {
  const { to, manifestBytes, configBytes } = image;
  const actual = digestOf(manifestBytes, digestAlgorithm(to));
  if (actual !== to) throw broken(`its manifest is ${actual}, not ${to}`);
  const manifest = parseManifest(manifestBytes, `the manifest ${to} in the delta`);
  const { digest } = manifest.config;
  const config = digestOf(configBytes, digestAlgorithm(digest));
  if (config !== digest) throw broken(`its config is ${config}, its manifest wants ${digest}`);
  const { diffIds } = parseConfig(configBytes, `the config ${digest} in the delta`);
  const wanted = [...new Set(diffIds)].join(' ');
  const promised = outputs.map((output) => output.diffId).join(' ');
  if (wanted !== promised) throw broken('its outputs are not the layers that its config names');
}

function broken(why: string): DeltaError {
  return new DeltaError('bad_format', `the delta contradicts itself: ${why}`);
}
