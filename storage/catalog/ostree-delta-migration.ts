/** The matrix of OSTree's static deltas on SQLite; `from_checksum` is empty for one from scratch. */
export const OSTREE_DELTA_STATEMENTS: readonly string[] = [
  `create table ostree_deltas (
    id integer primary key autoincrement,
    repo text not null,
    ref text not null,
    from_checksum text not null,
    to_checksum text not null,
    state text not null,
    attempts integer not null default 0,
    progress real not null default 0,
    due_ms integer not null,
    superblock_bytes integer,
    part_bytes integer,
    fallback_bytes integer,
    full_bytes integer,
    full_requests integer,
    requests integer,
    build_ms integer,
    apply_ms integer,
    reason text,
    created_ms integer not null,
    updated_ms integer not null,
    owner text,
    lease_until_ms integer,
    fence integer not null default 0,
    unique (repo, to_checksum, from_checksum)
  )`,
  `create index ostree_deltas_state on ostree_deltas (state, due_ms)`,
  `create table ostree_delta_files (
    delta integer not null references ostree_deltas (id) on delete cascade,
    name text not null,
    digest text not null,
    size integer not null,
    primary key (delta, name)
  ) without rowid`,
  `create index ostree_delta_files_digest on ostree_delta_files (digest)`,
];
