import { createMemoryStore } from '../../../storage/drivers/memory.ts';
import { describeObjectStore } from '../../suites/object-store.ts';

describeObjectStore(
  'memory',
  () => {
    const store = createMemoryStore();
    return Promise.resolve({
      store,
      another: () => Promise.resolve(store),
      close: () => Promise.resolve(),
    });
  },
  { largeBytes: 1_500_000 },
);
