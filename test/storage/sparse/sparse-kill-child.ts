import { parseDigest } from '../../../storage/digest.ts';
import { BLOCK_BYTES, SparseFile } from '../../../storage/sparse/sparse-store.ts';

// Fills the file of the arguments <folder> <digest> <size> round and round until it is killed.
const [, , folder = '', digest = '', size = '0'] = process.argv;
const file = await SparseFile.open(folder, parseDigest(digest), Number(size));
for (let block = 0; block < Number(size) / BLOCK_BYTES; block += 1) {
  await file.write(block * BLOCK_BYTES, Buffer.alloc(BLOCK_BYTES, block + 1));
  await file.sync();
  process.stdout.write('.');
}
setInterval(() => undefined, 1000);
