#!/usr/bin/env node
import { keepHeapSmall } from './small-memory.ts';

keepHeapSmall();
// Loaded by what follows, for what is loaded before has grown the heap already.
const { main } = await import('./program.ts');
process.exitCode = await main(process.argv);
