import { ABLATE, leaveOut } from '../../../delta/engine/ablation.ts';
import { ServerError } from '../../errors.ts';

/** Has the engine leave steps out, for benches; nothing else applies such deltas. */
export function ablate(): void {
  const steps = process.env[ABLATE];
  if (steps === undefined) return;
  if (!/^[0-9]{1,9}$/.test(steps)) {
    throw new ServerError('usage', `${ABLATE}=${steps}: it is a sum of steps, a number`);
  }
  process.stderr.write(
    `rivulet: the engine leaves out steps (${ABLATE}=${steps}): for benches only\n`,
  );
  leaveOut(Number(steps));
}
