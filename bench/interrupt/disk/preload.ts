/**
 * For `node --import`: puts a {@link DiskModel} under the file calls of the process, which knows
 * nothing of it, and lets a fault strike. What to do is in the environment, as JSON.
 */
import { syncBuiltinESMExports } from 'node:module';

import { DiskModel } from './disk-model.ts';
import { DISK_FAULT_ENV, type DiskFault } from './fault.ts';
import { Gate } from './gate.ts';
import { patchFiles } from './patch-files.ts';
import { patchNames } from './patch-names.ts';
import { refuseUnknown } from './patch-unknown.ts';

const text = process.env[DISK_FAULT_ENV];
if (text === undefined) throw new Error(`${DISK_FAULT_ENV} is not set`);
const fault = JSON.parse(text) as DiskFault;
const model = new DiskModel(fault.root);
const gate = new Gate(model, fault);
refuseUnknown(model, gate);
patchNames(model, gate);
await patchFiles(model, gate);
syncBuiltinESMExports();
process.once('exit', () => {
  gate.finish();
});
