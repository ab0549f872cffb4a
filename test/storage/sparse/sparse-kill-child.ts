import { parseDigest } from '../../../storage/digest.ts';
import { FolderStore } from '../../../storage/sparse/folder-store.ts';
import { BLOCK_BYTES } from '../../../storage/sparse/sparse-store.ts';

// Fills the file of the arguments <folder> <digest> <size> round and round until it is killed.
const [, , folder = '', digest = '', size = '0'] = process.argv;
const file = await new FolderStore(folder).open(parseDigest(digest), Number(size));
for (let block = 0; block < Number(size) / BLOCK_BYTES; block += 1) {
  await file.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, block + 1));
  await file.sync();
  process.stdout.write('.');
}
setInterval(() => undefined, 1000);
