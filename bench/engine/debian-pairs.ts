import type { DebianSource, Pair } from './pair.ts';

type Architecture = 'amd64' | 'arm64' | 'armhf';

const MULTIARCH = {
  amd64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  armhf: 'arm-linux-gnueabihf',
} as const;

interface Content {
  /** Folder of the source package below `pool/main` and `pool/updates/main`. */
  readonly folder: string;
  readonly package: string;
  /** Inside the package; the machine's library folder stands for `*`. */
  readonly path: string;
}

const LIBC: Content = { folder: 'g/glibc', package: 'libc6', path: 'lib/*/libc.so.6' };
const CURL: Content = {
  folder: 'c/curl',
  package: 'libcurl4',
  path: 'usr/lib/*/libcurl.so.4.8.0',
};
const CRYPTO: Content = {
  folder: 'o/openssl',
  package: 'libssl3',
  path: 'usr/lib/*/libcrypto.so.3',
};
const SSL: Content = { ...CRYPTO, path: 'usr/lib/*/libssl.so.3' };
const PYTHON: Content = {
  folder: 'p/python3.11',
  package: 'python3.11-minimal',
  path: 'usr/bin/python3.11',
};

/** Archive (bookworm, or bookworm-security), version and the sha256 of the file in it. */
type Release = readonly [archive: 'main' | 'updates/main', version: string, sha256: string];

function pair(
  name: string,
  content: Content,
  old: Release,
  fresh: Release,
  flags: { readonly isPublic?: boolean; readonly isQuick?: boolean } = {},
): Pair {
  const architecture = name.split('-')[1] as Architecture;
  const { isPublic = true, isQuick = false } = flags;
  return {
    ...{ name, isPublic, isQuick },
    old: source(content, architecture, old),
    new: source(content, architecture, fresh),
  };
}

function source(
  content: Content,
  architecture: Architecture,
  [archive, version, sha256]: Release,
): DebianSource {
  const file = `${content.package}_${version}_${architecture}.deb`;
  const path = content.path.replace('*', MULTIARCH[architecture]);
  return { kind: 'debian', pool: `pool/${archive}/${content.folder}/${file}`, path, sha256 };
}

const more = { isPublic: false };
const quick = { isQuick: true };

const libc = {
  old: (sha256: string): Release => ['updates/main', '2.36-9+deb12u7', sha256],
  new: (sha256: string): Release => ['main', '2.36-9+deb12u14', sha256],
};
const curl = {
  old: (sha256: string): Release => ['updates/main', '7.88.1-10+deb12u5', sha256],
  new: (sha256: string): Release => ['main', '7.88.1-10+deb12u15', sha256],
};
const openssl = {
  older: (sha256: string): Release => ['main', '3.0.17-1~deb12u2', sha256],
  old: (sha256: string): Release => ['main', '3.0.20-1~deb12u2', sha256],
  new: (sha256: string): Release => ['updates/main', '3.0.22-1~deb12u2', sha256],
};
const python = {
  old: (sha256: string): Release => ['main', '3.11.2-6+deb12u8', sha256],
  new: (sha256: string): Release => ['updates/main', '3.11.2-6+deb12u9', sha256],
};

/**
 * Debian bookworm and its security archive, the older version first. bsdiff's bytes say which
 * versions the design measured: these, for every pair of its list.
 */
export const DEBIAN_PAIRS: readonly Pair[] = [
  pair(
    'libc-amd64',
    LIBC,
    libc.old('4035a8ce52d6ca81b0b9bc547044d0b6409e91704b8b8efe02d8c343e116fb46'),
    libc.new('6b4a45352fd0c540a9c7c718f35ce8c8e46a4e482f9d3885a910c32d1a0e1421'),
  ),
  pair(
    'libc-arm64',
    LIBC,
    libc.old('1c5b0d6670e0e2b28ea5b6b26de1996cc679c30f24191fb6d3ef21bf374ccbef'),
    libc.new('e4ac8ae1d81e4865e3aadedb962879cf9415903b3f2ba81ec75e9962b86ab8b0'),
    quick,
  ),
  pair(
    'libc-armhf',
    LIBC,
    libc.old('040e38d07314dda6e8d45ebba16c831f4119d6aa3d3a09a025d26a72623f74c6'),
    libc.new('7d97c5eb5044fadc67102c007ae6c119d3cbce8cf4931b41cc69cd81e0b590a6'),
    more,
  ),
  pair(
    'libcrypto-amd64',
    CRYPTO,
    openssl.old('72db1b3de8b7dfbaba4c056135f408da555f9d5e137c82129478e07e769f8070'),
    openssl.new('aa01e614af634bc7c8b678c9250b5c4f613c61989bacf0a5d6aed6570e7dcabd'),
  ),
  pair(
    'libcrypto-arm64',
    CRYPTO,
    openssl.old('6ca49d148cc9fff2ee82e46019f508d736cef6b3f15f2f5cbbc86457df9b05ce'),
    openssl.new('322b1a55dbc35b68c19a72fea768c97a1b38e6afa72b84627327a443ee74912e'),
  ),
  pair(
    'libcrypto-armhf',
    CRYPTO,
    openssl.older('6591e44ae9279d7a08670d900b75650bb1ee9e68bf96db6d970ebc27dc4745c7'),
    openssl.old('2c9c1de99ba7597f2c523aded827740dc8394299f241e34f2cb46afd6f895558'),
  ),
  pair(
    'libcrypto-armhf-security',
    CRYPTO,
    openssl.old('2c9c1de99ba7597f2c523aded827740dc8394299f241e34f2cb46afd6f895558'),
    openssl.new('70413cc668293198c54fcc627e8045d3dbd8302d741b2d5f8c528a5f99d50ebb'),
    more,
  ),
  pair(
    'libcurl-amd64',
    CURL,
    curl.old('e49ffc8219d9c2c152ad2f691f14bffd5af3c5f1f65f717411a6d79249f15ad5'),
    curl.new('02fbea31e63cd827ee61644851f1d336de6850a7df0f7af30ba74da97c4b99ab'),
    quick,
  ),
  pair(
    'libcurl-arm64',
    CURL,
    curl.old('0063e7c43da9701104fa500c2d4cc071168902c585cd7855126fb11c2ddaae90'),
    curl.new('b2128021983c1df51cf676c81ce56c2e5fa116393d8c2a645ca13595efece2f6'),
    quick,
  ),
  pair(
    'libcurl-armhf',
    CURL,
    curl.old('fb73da633c1ad3b02c888615af4fc3a17b50f13e6c8238a4221d765b0c03db15'),
    curl.new('e1ef8654abd9568cbb92bf69700b8eb2ce458362f030f6b4ebd93bd45b8d0699'),
    { isPublic: false, isQuick: true },
  ),
  pair(
    'libssl-amd64',
    SSL,
    openssl.old('9aec161fdbc82d3e4280f5084843118939f1f4acc53c98ec963de03cfe812fad'),
    openssl.new('cab3f5b0a1febd4a80db5319f3bca4a9378c797dc6e5dc8bce36a575eaa77e78'),
    more,
  ),
  pair(
    'libssl-arm64',
    SSL,
    openssl.old('9e171264a6651d714938e83d81277d16524c150a36eaa59ce56e79b9cdbea7ce'),
    openssl.new('7b23bf339ecd38c0ad436243ab78ce0e748a3026c8d91fb45b72700546dbb9fe'),
    more,
  ),
  pair(
    'libssl-armhf',
    SSL,
    openssl.old('98c88f5c23a034e38030113532427350e335fca658aec0d84b58d4ee344dab07'),
    openssl.new('e9ed57395a64f5f591a00cb77f28c3be5d5f524fcbdac2023df53668919df64b'),
    more,
  ),
  pair(
    'python-amd64',
    PYTHON,
    python.old('6d972cf21be56fe3c947ab6ba257ff8d08c342dd2714442986791bd9a6dfabfe'),
    python.new('9bee109da0dce17a7c9eeaca9f420cc6770a9fe143b9382d73bd22fe59b21a5f'),
  ),
  pair(
    'python-arm64',
    PYTHON,
    python.old('304aa87a76ebb13fd22d253ac157f14980ff2cdb23e6274f3b045571405e07dc'),
    python.new('2ceb9199570aaf34a254b9ea88b1d77f38530833e2a12688d002a59c905b51b2'),
  ),
  pair(
    'python-armhf',
    PYTHON,
    python.old('8a043fd54176752fac655e61052b1a63975c1d3cd75f0e2bd0b19eae6164e8fb'),
    python.new('2edb78ea848bd3d237b2b0122266ac064a1f055188a494b7617e54c5d57f9019'),
    more,
  ),
];
