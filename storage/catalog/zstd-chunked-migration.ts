import type { SchemaStatement } from './migration.ts';

/**
 * The zstd:chunked forms of layers and images. A layer's goes with the layer; an image's with the
 * manifest that it is a form of.
 */
export const ZSTD_CHUNKED_STATEMENTS: readonly SchemaStatement[] = [
  `create table zstd_chunked_layers (
    layer text primary key references layers (digest) on delete cascade,
    index_digest text not null,
    digest text not null,
    size integer not null,
    map_digest text not null,
    map_size integer not null,
    own_digest text not null,
    own_size integer not null,
    annotations text not null
  ) without rowid`,
  `create index zstd_chunked_layers_digest on zstd_chunked_layers (digest)`,
  `create index zstd_chunked_layers_map on zstd_chunked_layers (map_digest)`,
  `create index zstd_chunked_layers_own on zstd_chunked_layers (own_digest)`,
  `create table zstd_chunked_images (
    repo text not null,
    source text not null,
    state text not null,
    attempts integer not null default 0,
    due_ms integer not null,
    digest text,
    size integer,
    media_type text,
    reason text,
    owner text,
    lease_until_ms integer,
    fence integer not null default 0,
    primary key (repo, source),
    foreign key (repo, source) references manifests (repo, digest) on delete cascade
  ) without rowid`,
  `create index zstd_chunked_images_state on zstd_chunked_images (state, due_ms)`,
  `create index zstd_chunked_images_digest on zstd_chunked_images (digest) where digest is not null`,
];
