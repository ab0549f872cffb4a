import type { SchemaStatement } from './migration.ts';

/** A chunk may lie in several packs: layers that share it were chunked side by side, or a pack was lost. */
export const CHUNK_PLACES_STATEMENTS: readonly SchemaStatement[] = [
  {
    sqlite: [
      `create table chunk_places (
        digest text not null,
        pack text not null references packs (digest) on delete cascade,
        first_byte integer not null,
        length integer not null,
        raw_length integer not null,
        primary key (digest, pack)
      ) without rowid`,
      `insert into chunk_places select digest, pack, first_byte, length, raw_length from chunks`,
      `drop table chunks`,
      `alter table chunk_places rename to chunks`,
      `create index chunks_pack on chunks (pack)`,
    ],
    postgres: [`alter table chunks drop constraint chunks_pkey, add primary key (digest, pack)`],
  },
];
