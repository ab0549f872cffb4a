import { randomBytes } from 'node:crypto';

import { digestOf } from '../../../storage/digest.ts';
import { openFsStore } from '../../../storage/drivers/fs.ts';
import { blobKey } from '../../../storage/keys.ts';

// Puts objects into the store named by the first argument until it is killed.
const [, , root = ''] = process.argv;
const store = await openFsStore(root);
const writer = async (): Promise<void> => {
  for (;;) {
    const bytes = randomBytes(400_000);
    const digest = digestOf(bytes);
    await store.put(blobKey(digest), [bytes.subarray(0, 100_000), bytes.subarray(100_000)], {
      expected: { digest },
    });
    process.stdout.write('.');
  }
};
await Promise.all([writer(), writer(), writer(), writer()]);
