import type { Migration } from './migration.ts';

/** The cache's schema, step by step; a step that was released never changes. */
export const CACHE_MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `create table objects (
        digest text primary key,
        size integer not null check (size >= 0),
        bytes integer not null check (bytes >= 0),
        complete integer not null check (complete in (0, 1)),
        used_ms integer not null
      ) strict`,
      'create index objects_by_use on objects (used_ms)',
      `create table manifests (
        digest text primary key,
        media_type text not null,
        body blob not null,
        used_ms integer not null
      ) strict`,
      'create index manifests_by_use on manifests (used_ms)',
      `create table tags (
        repo text not null,
        tag text not null,
        digest text not null,
        checked_ms integer not null,
        primary key (repo, tag)
      ) strict, without rowid`,
      'create index tags_by_check on tags (checked_ms)',
      `create table documents (
        path text primary key,
        etag text,
        headers text not null,
        body blob not null,
        checked_ms integer not null
      ) strict`,
      'create index documents_by_check on documents (checked_ms)',
      `create table live (
        product text not null,
        channel text not null,
        platform text not null,
        current text not null,
        seen_ms integer not null,
        primary key (product, channel, platform, current)
      ) strict, without rowid`,
      'create index live_by_time on live (seen_ms)',
      `create table reports (
        id integer primary key autoincrement,
        decision text not null,
        device text not null,
        body blob not null,
        created_ms integer not null
      ) strict`,
    ],
  },
  {
    version: 2,
    statements: [
      `create table ostree_files (
        path text primary key,
        digest text not null,
        size integer not null check (size >= 0),
        body blob,
        kept_bytes integer not null check (kept_bytes >= 0),
        used_ms integer not null
      ) strict`,
      'create index ostree_files_by_use on ostree_files (used_ms, kept_bytes)',
      `create table ostree_documents (
        path text primary key,
        body blob,
        media_type text,
        modified_ms integer,
        kept_bytes integer not null check (kept_bytes >= 0),
        checked_ms integer not null
      ) strict`,
      'create index ostree_documents_by_check on ostree_documents (checked_ms, kept_bytes)',
      `create table ostree_summaries (
        repo text primary key,
        summary blob,
        signatures blob,
        modified_ms integer,
        checked_ms integer not null
      ) strict`,
    ],
  },
  {
    version: 3,
    statements: [
      'alter table tags rename to tags_before',
      `create table tags (
        registry text not null,
        repo text not null,
        tag text not null,
        digest text not null,
        checked_ms integer not null,
        primary key (registry, repo, tag)
      ) strict, without rowid`,
      `insert into tags select '', repo, tag, digest, checked_ms from tags_before`,
      'drop table tags_before',
      'create index tags_by_check on tags (checked_ms)',
      `create table members (
        digest text not null,
        registry text not null,
        repo text not null,
        checked_ms integer not null,
        primary key (digest, registry, repo)
      ) strict, without rowid`,
      'create index members_by_check on members (checked_ms)',
      'alter table reports add column region text',
    ],
  },
  {
    version: 4,
    statements: [
      `create table object_totals (
        count integer not null,
        complete_count integer not null,
        bytes integer not null
      ) strict`,
      `insert into object_totals
        select count(*), coalesce(sum(complete), 0), coalesce(sum(bytes), 0) from objects`,
      `create trigger objects_inserted after insert on objects begin
        update object_totals set count = count + 1,
          complete_count = complete_count + new.complete, bytes = bytes + new.bytes;
      end`,
      `create trigger objects_updated after update of bytes, complete on objects begin
        update object_totals set complete_count = complete_count + new.complete - old.complete,
          bytes = bytes + new.bytes - old.bytes;
      end`,
      `create trigger objects_deleted after delete on objects begin
        update object_totals set count = count - 1,
          complete_count = complete_count - old.complete, bytes = bytes - old.bytes;
      end`,
    ],
  },
  {
    version: 5,
    statements: [
      `create table images (
        manifest text primary key,
        layers text not null,
        seen_ms integer not null
      ) strict`,
      'create index images_by_time on images (seen_ms)',
      `create table ostree_live (
        repo text not null,
        ref text not null,
        checksum text not null,
        seen_ms integer not null,
        primary key (repo, ref, checksum)
      ) strict, without rowid`,
      'create index ostree_live_by_time on ostree_live (seen_ms)',
    ],
  },
  {
    version: 6,
    statements: [
      `create table block_maps (
        digest text primary key,
        map blob not null
      ) strict`,
      'create table sparse_owner (owner text not null) strict',
      'insert into sparse_owner values (lower(hex(randomblob(8))))',
    ],
  },
];
