/**
 * Devices and decisions tell images and OSTree's commits apart; what was there is images'. SQLite can't
 * change a primary key: the table is made anew.
 */
export const OSTREE_FLEET_STATEMENTS: readonly string[] = [
  `create table devices_by_kind (
    id text not null,
    kind text not null,
    product text not null,
    channel text not null,
    platform text not null,
    region text not null,
    current text,
    seen_ms integer not null,
    primary key (id, kind)
  ) without rowid`,
  `insert into devices_by_kind
    select id, 'oci', product, channel, platform, region, current, seen_ms from devices`,
  `drop table devices`,
  `alter table devices_by_kind rename to devices`,
  `create index devices_seen on devices (kind, product, seen_ms)`,
  `alter table decisions add column kind text not null default 'oci'`,
];
