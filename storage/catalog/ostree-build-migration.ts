/** Builds of flat-manager's clients, and the refs that move when one is published. */
export const OSTREE_BUILD_STATEMENTS: readonly string[] = [
  `create table ostree_builds (
    id text primary key,
    repo text not null,
    published integer not null default 0,
    touched_ms integer not null
  ) without rowid`,
  `create index ostree_builds_touched on ostree_builds (touched_ms)`,
  `create table ostree_build_refs (
    build text not null references ostree_builds (id) on delete cascade,
    ref text not null,
    checksum text not null,
    primary key (build, ref)
  ) without rowid`,
];
