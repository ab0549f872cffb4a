import type { NpmSource, Pair } from './pair.ts';

/** A version and the sha256 of the file in it. */
type Release = readonly [version: string, sha256: string];

interface Content {
  readonly package: string;
  /** Inside the package, or by version; undefined: the whole package as a tar. */
  readonly path: string | ((version: string) => string) | undefined;
  readonly isPublic?: boolean;
  readonly isQuick?: boolean;
}

function pair(name: string, content: Content, old: Release, fresh: Release): Pair {
  const { isPublic = true, isQuick = false } = content;
  return { name, isPublic, isQuick, old: source(content, old), new: source(content, fresh) };
}

function source({ package: name, path }: Content, [version, sha256]: Release): NpmSource {
  const inside = typeof path === 'function' ? path(version) : path;
  return { kind: 'npm', package: name, version, path: inside, sha256 };
}

const esbuild = (machine: string): Content => ({
  package: `@esbuild/linux-${machine}`,
  path: 'bin/esbuild',
  isPublic: machine !== 'riscv64',
  isQuick: machine === 'arm',
});

const sentry = (machine: string): Content => ({
  package: `@sentry/cli-linux-${machine}`,
  path: 'bin/sentry-cli',
});

const vips = (machine: string): Content => ({
  package: `@img/sharp-libvips-linux-${machine}`,
  path: (version) => `lib/libvips-cpp.so.8.18.${version === '1.3.3' ? 6 : 7}`,
  isPublic: machine !== 'riscv64',
});

const node = (machine: string): Content => ({
  package: `node-linux-${machine}`,
  path: 'bin/node',
  isPublic: machine === 'x64',
});

/** Native programs and libraries in Go, Rust and C++, a packed one, and a tree of text. */
export const NPM_PAIRS: readonly Pair[] = [
  pair(
    'esbuild-arm',
    esbuild('arm'),
    ['0.28.1', 'a2d93f7a8b1c9f91d47beec987888b4765c890501b6274f4bdff4061a5e0d9fd'],
    ['0.28.2', 'd88f751b22095b2f3b42c8c2e8a3f36fabc1705438c5d6e78366b681f8b4e7a5'],
  ),
  pair(
    'esbuild-arm64',
    esbuild('arm64'),
    ['0.28.1', '51e829ba36f36be6d9aea6e329ddc4f9350302339b16aaca96a3cb97f64a8ebb'],
    ['0.28.2', '90bd269553d258e80b19e3ccab4f98f0831f87442a2f056510ce24fd1b425fc2'],
  ),
  pair(
    'esbuild-x64',
    esbuild('x64'),
    ['0.28.1', '0c6588b092a2c291a72bab90659f3c9e0e25e0fe59c9ac12b4dae4d945e5548c'],
    ['0.28.2', 'e1698a3d5c6c0798fee4fd3b5cc816651f460c63d390a7a26ea4beb0b1884100'],
  ),
  pair(
    'sentry-arm',
    sentry('arm'),
    ['3.6.2', '70a92a11d2d4d0c08202158120c0c054e83b6a5b5aff467e4a04cb19ca5440d9'],
    ['3.7.0', '2131a93688800965abe550e029d19993038352f788bc3eeecf4582947154121b'],
  ),
  pair(
    'sentry-arm64',
    sentry('arm64'),
    ['3.6.2', 'ff112ecf694b7d6b3629a6228ed4e3f7a0d51401bdf48a5051a79d8749dccd06'],
    ['3.7.0', '69cc0e951f663a332fd3bb3069e443cb3748abbfce497ae2caac6d5a9ec7ae65'],
  ),
  pair(
    'sentry-x64',
    sentry('x64'),
    ['3.6.2', '3a4bbf2c0d06378d4e59b337647483751a0a2b1603db5fd4991847d0cfd6478c'],
    ['3.7.0', 'cec71d46a7cc394c94b6e75f1601985c710d457376c546ef3975567b3671563b'],
  ),
  pair(
    'vips-arm',
    vips('arm'),
    ['1.3.3', 'c47134a81f1bf16fe202042e4faad99738b2010e93d98bd82570f4df57835d73'],
    ['1.3.4', '038af2f7d26801518fd15858966599e072aec1a569ee260d0668b5767f0d9cd1'],
  ),
  pair(
    'vips-arm64',
    vips('arm64'),
    ['1.3.3', '264d3092d69de80f5acdb71c930efec8db5bd9627f41659ed3416566b9ae34b4'],
    ['1.3.4', '97c2ae9a663cd3de58a34d68820994e49e0e261fddbd4616bd726a72610bbc8f'],
  ),
  pair(
    'vips-x64',
    vips('x64'),
    ['1.3.3', '536cee19ab906cb5185ad519bf87647693f5d7b55e608c92eb28607f89ca5125'],
    ['1.3.4', '4aa73553408c3964071728f4a231a8e86918e39bc49f1fbae75355f7ea933ea9'],
  ),
  pair(
    'node-x64',
    node('x64'),
    ['22.23.2', '3517c2df0b2f8cd7f422b4b8450ef81c6889f08eb03e281d6de9079b15e6a327'],
    ['22.23.3', 'fde6a4bf8d0562f7751d1a2d6cb9b417c4cfe107bbcb0aa3e9a24e125e348f48'],
  ),
  pair(
    'node-arm64',
    node('arm64'),
    ['22.23.2', '1a638b0fe2b68da0489276aca95526c5122fc61ba54d6a2d0d00c1c92ab7b876'],
    ['22.23.3', 'd09e299258c24f7cdf6f5d5ec185e3a56512b27a697113735dac909f1cac7b8d'],
  ),
  pair(
    'esbuild-riscv64',
    esbuild('riscv64'),
    ['0.28.1', '86df35a46bedde8b756edb6565a1df7b5a832ad74dd0e179608cbf6509a2582a'],
    ['0.28.2', '36bdcdc8230eef385838cdfeb0d9a1565cbe4b9ace30097a511d77e894de36a1'],
  ),
  pair(
    'vips-riscv64',
    vips('riscv64'),
    ['1.3.3', '926470ad249473ede8b3c98fb2ebd5224f16945dc99efd4f0dc360bf8add26fc'],
    ['1.3.4', '2f356f2c71c115eda2314967e43c00b20dc54f72a8b069f9f3f9f187f2593faa'],
  ),
  pair(
    'swc-x64-packed',
    {
      package: '@swc/core-linux-x64-gnu',
      path: 'swc.linux-x64-gnu.node',
      isPublic: false,
    },
    ['1.16.17', 'f95536a80c99e0a0a388d2e964d1ebb84ecda64b331829785f3745d09d31a8b9'],
    ['1.16.18', '4f6e3a0ca67573414d044e5af189b3aa03e584595a8ed3499a802ecefc97d830'],
  ),
  pair(
    'date-fns-tar',
    { package: 'date-fns', path: undefined, isPublic: false },
    ['4.0.0', 'd687cdbc00af1e7a2a34d7c16d80d9ec2023df02576a8c7ca1d1bb79d52533a6'],
    ['4.1.0', '508ba16a45aa66ae59f7cc7a75258d6dc13a8e3970605ee7ecb90ef381237e0f'],
  ),
];
