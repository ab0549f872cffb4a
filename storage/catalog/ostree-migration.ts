import type { SchemaStatement } from './migration.ts';
import { tellsRemovals } from './removal-triggers.ts';

/**
 * OSTree's tables. Objects have a number beside their name: a tree of ten thousand files names
 * most of them again with each version, and a pair of checksums takes twenty times what two numbers do.
 */
export const OSTREE_STATEMENTS: readonly SchemaStatement[] = [
  // `size` is null while the object is only named by a parent.
  `create table ostree_objects (
    id integer primary key,
    checksum text not null,
    kind text not null,
    size integer,
    header blob,
    created_ms integer not null,
    touched_ms integer not null,
    unique (checksum, kind)
  )`,
  // `position` is the chunk's first byte in the content: ranges find their chunks by it.
  `create table ostree_object_chunks (
    object integer not null references ostree_objects (id) on delete cascade,
    position integer not null,
    digest text not null,
    pack text not null references packs (digest),
    first_byte integer not null,
    length integer not null,
    raw_length integer not null,
    primary key (object, position)
  ) without rowid`,
  `create index ostree_object_chunks_pack on ostree_object_chunks (pack, first_byte)`,
  `create table ostree_edges (
    parent integer not null references ostree_objects (id) on delete cascade,
    child integer not null references ostree_objects (id),
    history integer not null,
    primary key (parent, child, history)
  ) without rowid`,
  `create index ostree_edges_child on ostree_edges (child)`,
  `create table ostree_repos (name text primary key, created_ms integer not null) without rowid`,
  `create table ostree_repo_objects (
    repo text not null,
    object integer not null references ostree_objects (id),
    linked_ms integer not null,
    primary key (repo, object)
  ) without rowid`,
  `create index ostree_repo_objects_object on ostree_repo_objects (object)`,
  `create table ostree_refs (
    repo text not null,
    ref text not null,
    checksum text not null,
    updated_ms integer not null,
    primary key (repo, ref)
  ) without rowid`,
  `create table ostree_ref_log (
    id integer primary key autoincrement,
    repo text not null,
    ref text not null,
    checksum text not null,
    parent text,
    moved_ms integer not null
  )`,
  `create index ostree_ref_log_ref on ostree_ref_log (repo, ref, id)`,
  `create table ostree_commitmeta (
    repo text not null,
    checksum text not null,
    bytes blob not null,
    updated_ms integer not null,
    primary key (repo, checksum)
  ) without rowid`,
  // What was looked up in a repository holds no more once one of its objects is gone.
  tellsRemovals('ostree_repo_objects_removed', 'delete', 'ostree_repo_objects'),
];
