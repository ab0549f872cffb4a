import type { OstreeConfig } from './ostree/signing/settings.ts';
import type { RetentionRuleConfig } from './retention/rules.ts';
import type { UpdateRule } from './updates/update-rules.ts';

/** What an origin and a cache have in common: where they answer, and whom. */
export interface FrontConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** The base URL under which clients reach this server; empty derives it from the Host header. */
  readonly publicUrl: string;
  /** Running requests may take this long to end once the server is told to. */
  readonly drainMs: number;
  /** Undefined: plain HTTP. */
  readonly tls?: TlsConfig | undefined;
  /**
   * Grants (`verb:pattern`) by principal (`auth/principal.ts`). Undefined lets everyone do
   * everything, which is refused on an address beyond loopback.
   */
  readonly access?: Readonly<Record<string, readonly string[]>> | undefined;
  readonly limits: { readonly address: RateConfig; readonly principal: RateConfig };
}

/** PEM files, read again when they change. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  /** Client certificates are asked for, and have to be signed by one of these. */
  readonly clientCa?: string | undefined;
}

/** Requests that one address or one principal may make. */
export interface RateConfig {
  /** 0: no limit. */
  readonly perSecond: number;
  /** Requests at once after a pause. */
  readonly burst: number;
}

/** The configuration of a server, whole and checked (see `config-load.ts`); frozen. */
export interface ServerConfig extends FrontConfig {
  /** Folder of the embedded store, the catalog and scratch files. */
  readonly data: string;
  /** Processes that serve; 1 serves from the main process. */
  readonly workers: number;
  readonly store: StoreConfig;
  readonly catalog: CatalogConfig;
  readonly matrix: MatrixConfig;
  readonly uploads: {
    /** Idle sessions are removed after this long. */
    readonly ttlMs: number;
  };
  /** The collector that `rivulet serve` runs by itself; of several origins over one catalog one does. */
  readonly gc: {
    /** From the end of one run to the next; 0: never, `rivulet gc` is run by hand or by a timer. */
    readonly everyMs: number;
    /** What is younger stays. */
    readonly graceMs: number;
  };
  readonly ostree: OstreeConfig;
  /** What `rivulet retention` and `rivulet gc` keep of tags and manifests; what no rule fits stays. */
  readonly retention: readonly RetentionRuleConfig[];
  /** Patterns of repositories whose tagged images also get a zstd:chunked form (`TAG.zstd-chunked`). */
  readonly zstdChunked?: readonly string[] | undefined;
  /** Base URLs of regional caches by region, for plans when a device asks the origin itself. */
  readonly regions: Readonly<Record<string, readonly string[]>>;
  /** How devices may take releases: for a product and a region the first that names both. */
  readonly updates?: readonly UpdateRule[] | undefined;
}

export type StoreConfig =
  | { readonly kind: 'fs' }
  | {
      readonly kind: 's3';
      /** Such as `http://127.0.0.1:9000`. */
      readonly endpoint: string;
      readonly bucket: string;
      readonly region: string;
      readonly accessKey: string;
      readonly secretKey: string;
      /** Prepended to every key; empty or ending in `/`. */
      readonly prefix: string;
    };

export type CatalogConfig =
  /** `catalog.sqlite` in the folder of the server. */
  | { readonly kind: 'sqlite' }
  | {
      readonly kind: 'postgres';
      /** `postgres://USER:PASSWORD@HOST[:PORT]/DATABASE`; this, or a file that holds it. */
      readonly url?: string | undefined;
      readonly urlFile?: string | undefined;
      /** Connections of each process and builder at most; they are made as they are needed. */
      readonly poolSize: number;
      /** Files; all absent: TLS, and the server's certificate is of one of the system's authorities. */
      readonly tls?: UpstreamTlsConfig | undefined;
    };

export interface MatrixConfig {
  /** Deltas are built from this many releases before the current one. */
  readonly releases: number;
  /** And from every version that a device reported within this time. */
  readonly liveMs: number;
  /** Builds side by side in this process; 0 leaves them to `rivulet worker`. */
  readonly builders: number;
  readonly leaseMs: number;
  readonly maxAttempts: number;
  /** How often the matrix is reconciled without being told to. */
  readonly reconcileMs: number;
}

/** PEM files, read at the start. */
export interface UpstreamTlsConfig {
  /** Authorities that are trusted beside the system's. */
  readonly ca?: string | undefined;
  /** The cache's own certificate, and its key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** A registry beside the origin, and what the cache shows to it; without credentials it is anonymous. */
export interface RegistryConfig {
  /** Its base URL; default `https://` and its name, for `docker.io` that of Docker's registry. */
  readonly url?: string | undefined;
  /** `upstream`: the upstream is a cache that answers for this registry, and is asked for it. */
  readonly through?: 'upstream' | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Holds the password; read each time that it is needed. */
  readonly passwordFile?: string | undefined;
  /** A bearer token that the registry takes as it is. */
  readonly token?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly tls?: UpstreamTlsConfig | undefined;
}

/** A regional cache's configuration. */
export interface CacheConfig extends FrontConfig {
  readonly data: string;
  /** Where the bytes of blobs are: `blobs/` in the folder, or a bucket, of which it shares nothing. */
  readonly store: StoreConfig;
  /** The origin's base URL. */
  readonly upstream: string;
  readonly region: string;
  /** The token that the cache shows to its origin. */
  readonly upstreamToken?: string | undefined;
  readonly upstreamTls?: UpstreamTlsConfig | undefined;
  /** Names that image references have for the origin, beside the host of its address (`ns=`). */
  readonly upstreamNames: readonly string[];
  /** Other registries that the cache answers for, by the name that image references have (`ns=`). */
  readonly registries: Readonly<Record<string, RegistryConfig>>;
  /** What becomes of pushes to the origin's repositories. */
  readonly pushes: 'refuse' | 'forward';
  /** Bytes of cached blobs; the least recently used go first. */
  readonly budgetBytes: number;
  /** How long checks are answered from what the origin last said, once it is gone. */
  readonly offlineMs: number;
  /** How long a tag is served without asking the origin. */
  readonly tagTtlMs: number;
  /** How often the origin's releases are fetched. */
  readonly refreshMs: number;
  /**
   * What is fetched ahead of demand. True: the deltas of versions that live devices run, whatever they
   * are of; a list: what these rules name, at any time and as fast as it comes.
   */
  readonly mirror: boolean | readonly MirrorRule[] | MirrorConfig;
}

/** Parts of a release that are fetched ahead. */
export type MirroredPart = 'deltas' | 'chunks' | 'layers' | 'ostree';

/** Releases, and what of them is fetched ahead. */
export interface MirrorRule {
  /** A pattern as in `access`. */
  readonly repositories: string;
  /** A pattern of tags; of OSTree, of refs. */
  readonly tags: string;
  /** `os/architecture[/variant]`; absent: every one. */
  readonly platforms?: readonly string[] | undefined;
  readonly what: readonly MirroredPart[];
  /** Of OSTree: also the delta from scratch. */
  readonly fromScratch: boolean;
}

export interface MirrorConfig {
  /** Absent: the deltas of versions that live devices run. */
  readonly rules?: readonly MirrorRule[] | undefined;
  /** When anything is fetched ahead: `Mon-Fri 02:00-05:00; Sat,Sun 22:00-06:00`; absent: always. */
  readonly windows?: string | undefined;
  /** An IANA name, or empty: as this machine is set. */
  readonly zone: string;
  /** Bytes per second of all that is fetched ahead; 0: no limit. */
  readonly maxBps: number;
  /** The part of `budgetBytes` that it may take, and that is kept from eviction: 0 to 1. */
  readonly budget: number;
}
