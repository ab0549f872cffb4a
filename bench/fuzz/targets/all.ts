import type { Target } from '../target.ts';
import { containerTarget } from './container.ts';
import { pairsTarget, partsTarget } from './delta-parts.ts';
import { oldBytesTarget, roundTripTarget, streamsTarget } from './kernel.ts';
import { layerTarget } from './layer.ts';
import { gunzipTarget, tarTarget, unzstdTarget } from './readers.ts';

/** Everything that meets bytes from elsewhere. The mixing coder's models take the longest to open. */
export const TARGETS: readonly Target[] = [
  containerTarget(120),
  partsTarget(120),
  pairsTarget('fast', 40),
  pairsTarget('small', 10),
  streamsTarget('control', 'fast', 80),
  streamsTarget('control', 'small', 20),
  streamsTarget('section', 'fast', 60),
  streamsTarget('section', 'small', 15),
  oldBytesTarget('fast', 60),
  oldBytesTarget('small', 10),
  roundTripTarget('fast', 10),
  roundTripTarget('small', 2),
  gunzipTarget(130),
  unzstdTarget(120),
  layerTarget(63),
  tarTarget(140),
];
