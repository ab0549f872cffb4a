import { findTool, runTool, type Tool } from '../tools.ts';

/** Makes a delta with a program that people use, and applies it. */
export interface Peer {
  readonly title: string;
  readonly tool: Tool;
  encode(oldFile: string, newFile: string, delta: string): Promise<void>;
  decode(oldFile: string, delta: string, output: string): Promise<void>;
}

/** The peers that are installed here. */
export async function findPeers(): Promise<Peer[]> {
  const peers: Peer[] = [];
  const bsdiff = await findTool('bsdiff', []);
  if (bsdiff !== undefined) {
    peers.push({
      title: 'bsdiff',
      tool: bsdiff,
      encode: (from, to, delta) => runTool('bsdiff', [from, to, delta]),
      decode: (from, delta, output) => runTool('bspatch', [from, output, delta]),
    });
  }
  const zstd = await findTool('zstd', ['--version']);
  if (zstd !== undefined) {
    const long = ['--long=31', '-q', '-f'];
    peers.push({
      title: 'zstd -19 --patch-from',
      tool: zstd,
      encode: (from, to, delta) =>
        runTool('zstd', ['-19', ...long, `--patch-from=${from}`, to, '-o', delta]),
      decode: (from, delta, output) =>
        runTool('zstd', ['-d', ...long, `--patch-from=${from}`, delta, '-o', output]),
    });
  }
  const xdelta = await findTool('xdelta3', ['-V']);
  if (xdelta !== undefined) {
    peers.push({
      title: 'xdelta3 -9 -S lzma',
      tool: xdelta,
      encode: (from, to, delta) =>
        runTool('xdelta3', ['-e', '-f', '-9', '-S', 'lzma', '-s', from, to, delta]),
      decode: (from, delta, output) => runTool('xdelta3', ['-d', '-f', '-s', from, delta, output]),
    });
  }
  return peers;
}
