/** Which of several origins collects, and when the last did. */
export const GC_RUN_STATEMENTS: readonly string[] = [
  `create table gc_runs (
    id integer primary key check (id = 1),
    ended_ms integer not null,
    owner text,
    lease_until_ms integer,
    fence integer not null default 0
  )`,
];
