import type { CatalogStep, Migration } from './migration.ts';
import { CHUNK_PLACES_STATEMENTS } from './chunk-places-migration.ts';
import { GC_RUN_STATEMENTS } from './gc-run-migration.ts';
import { OSTREE_BUILD_STATEMENTS } from './ostree-build-migration.ts';
import { OSTREE_DELTA_STATEMENTS } from './ostree-delta-migration.ts';
import { OSTREE_FLEET_STATEMENTS } from './ostree-fleet-migration.ts';
import { OSTREE_STATEMENTS } from './ostree-migration.ts';
import { ZSTD_CHUNKED_STATEMENTS } from './zstd-chunked-migration.ts';
import { REMOVAL_FUNCTION, tellsRemovals } from './removal-triggers.ts';
import { RETENTION_STATEMENTS } from './retention-migration.ts';

const lease = `
  owner text,
  lease_until_ms integer,
  fence integer not null default 0`;

/** The catalog's schema, as numbered steps; a released step never changes. */
export const CATALOG_STEPS: readonly CatalogStep[] = [
  {
    version: 1,
    statements: [
      `create table tokens (
        name text primary key,
        secret_digest text not null unique,
        grants text not null,
        created_ms integer not null,
        expires_ms integer
      ) without rowid`,
      `create table repositories (name text primary key, created_ms integer not null) without rowid`,
      `create table repo_blobs (
        repo text not null,
        digest text not null,
        size integer not null,
        linked_ms integer not null,
        primary key (repo, digest)
      ) without rowid`,
      `create index repo_blobs_digest on repo_blobs (digest)`,
      `create table manifests (
        id integer primary key autoincrement,
        repo text not null,
        digest text not null,
        media_type text not null,
        size integer not null,
        subject text,
        artifact_type text,
        annotations text,
        unique (repo, digest)
      )`,
      `create index manifests_digest on manifests (digest)`,
      `create index manifests_subject on manifests (repo, subject) where subject is not null`,
      `create table manifest_children (
        repo text not null,
        parent text not null,
        position integer not null,
        digest text not null,
        kind text not null,
        primary key (repo, parent, position),
        foreign key (repo, parent) references manifests (repo, digest) on delete cascade
      ) without rowid`,
      `create index manifest_children_digest on manifest_children (digest)`,
      `create table tags (
        repo text not null,
        name text not null,
        digest text not null,
        release_id integer not null,
        primary key (repo, name),
        foreign key (repo, digest) references manifests (repo, digest) on delete cascade
      ) without rowid`,
      `create index tags_digest on tags (repo, digest)`,
      `create table releases (
        id integer primary key autoincrement,
        repo text not null,
        tag text not null,
        digest text not null,
        pushed_ms integer not null
      )`,
      `create index releases_tag on releases (repo, tag, id)`,
      `create table uploads (
        id text primary key,
        repo text not null,
        size integer not null,
        updated_ms integer not null
      ) without rowid`,
      `create index uploads_updated on uploads (updated_ms)`,
      `create table upload_parts (
        upload_id text not null references uploads (id) on delete cascade,
        first_byte integer not null,
        size integer not null,
        digest text not null,
        primary key (upload_id, first_byte)
      ) without rowid`,
      `create table layers (
        digest text primary key,
        media_type text not null,
        state text not null,
        diff_id text,
        raw_size integer,
        index_digest text,
        index_size integer,
        reason text,
        created_ms integer not null,
        updated_ms integer not null,
        ${lease}
      ) without rowid`,
      `create index layers_work on layers (state, updated_ms)`,
      `create index layers_diff_id on layers (diff_id) where diff_id is not null`,
      `create index layers_index on layers (index_digest) where index_digest is not null`,
      `create table layer_packs (
        layer text not null references layers (digest) on delete cascade,
        pack text not null,
        primary key (layer, pack)
      ) without rowid`,
      `create index layer_packs_pack on layer_packs (pack)`,
      `create table packs (digest text primary key, size integer not null) without rowid`,
      `create table chunks (
        digest text primary key,
        pack text not null references packs (digest) on delete cascade,
        first_byte integer not null,
        length integer not null,
        raw_length integer not null
      ) without rowid`,
      `create index chunks_pack on chunks (pack)`,
      `create table deltas (
        id integer primary key autoincrement,
        repo text not null,
        tag text not null,
        platform text not null,
        from_digest text not null,
        to_digest text not null,
        state text not null,
        attempts integer not null default 0,
        progress real not null default 0,
        due_ms integer not null,
        digest text,
        size integer,
        full_size integer,
        ram_bytes integer,
        build_ms real,
        apply_ms real,
        codecs text,
        reason text,
        created_ms integer not null,
        updated_ms integer not null,
        ${lease},
        unique (repo, tag, platform, from_digest, to_digest)
      )`,
      `create index deltas_state on deltas (state, due_ms)`,
      `create index deltas_digest on deltas (digest) where digest is not null`,
      `create index deltas_to on deltas (to_digest)`,
      `create table devices (
        id text primary key,
        product text not null,
        channel text not null,
        platform text not null,
        region text not null,
        current text,
        seen_ms integer not null
      ) without rowid`,
      `create index devices_seen on devices (seen_ms)`,
      `create table decisions (
        id text primary key,
        device_id text not null,
        product text not null,
        from_digest text,
        to_digest text not null,
        created_ms integer not null
      ) without rowid`,
      `create index decisions_device on decisions (device_id, created_ms)`,
      `create table events (
        decision_id text not null references decisions (id) on delete cascade,
        seq integer not null,
        type text not null,
        at_ms integer not null,
        plan text,
        bytes integer,
        code text,
        message text,
        primary key (decision_id, seq)
      ) without rowid`,
      `create table condemned (
        digest text primary key,
        until_ms integer not null,
        removed integer not null default 0
      ) without rowid`,
    ],
  },
  {
    version: 2,
    statements: [
      `create table signing_keys (
        id text primary key,
        secret text not null,
        created_ms integer not null
      ) without rowid`,
      {
        sqlite: [
          `create table removals (id integer primary key check (id = 1), epoch integer not null)`,
          `insert into removals (id, epoch) values (1, 0)`,
        ],
        postgres: [REMOVAL_FUNCTION],
      },
      tellsRemovals('repo_blobs_removed', 'delete', 'repo_blobs'),
      tellsRemovals('condemned_added', 'insert', 'condemned'),
      tellsRemovals('condemned_changed', 'update', 'condemned'),
    ],
  },
  {
    version: 3,
    statements: [`alter table manifest_children add column tar_type text`],
  },
  { version: 4, statements: OSTREE_STATEMENTS },
  { version: 5, statements: OSTREE_DELTA_STATEMENTS },
  { version: 6, statements: OSTREE_FLEET_STATEMENTS },
  { version: 7, statements: ZSTD_CHUNKED_STATEMENTS },
  { version: 8, statements: RETENTION_STATEMENTS },
  { version: 9, statements: OSTREE_BUILD_STATEMENTS },
  { version: 10, statements: GC_RUN_STATEMENTS },
  { version: 11, statements: [`alter table events add column wire_bytes integer`] },
  { version: 12, statements: CHUNK_PLACES_STATEMENTS },
];

/** The steps as SQLite takes them. */
export const SQLITE_MIGRATIONS: readonly Migration[] = CATALOG_STEPS.map(
  ({ version, statements }) => ({
    version,
    statements: statements.flatMap((statement) =>
      typeof statement === 'string' ? [statement] : statement.sqlite,
    ),
  }),
);
