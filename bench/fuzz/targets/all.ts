import type { Target } from '../target.ts';
import { containerTarget, instructionsTarget } from './container.ts';
import { oldBytesTarget, roundTripTarget, streamsTarget } from './kernel.ts';
import { gunzipTarget, tarTarget, unzstdTarget } from './readers.ts';

/** Everything that meets bytes from elsewhere. The mixing coder's models take the longest to open. */
export const TARGETS: readonly Target[] = [
  containerTarget(160),
  instructionsTarget(100),
  streamsTarget('control', 'fast', 100),
  streamsTarget('control', 'small', 25),
  streamsTarget('section', 'fast', 80),
  streamsTarget('section', 'small', 15),
  oldBytesTarget('fast', 60),
  oldBytesTarget('small', 5),
  roundTripTarget('fast', 10),
  roundTripTarget('small', 2),
  gunzipTarget(180),
  unzstdTarget(113),
  tarTarget(150),
];
