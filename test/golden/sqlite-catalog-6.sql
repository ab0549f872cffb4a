CREATE INDEX chunks_pack on chunks (pack)
CREATE INDEX decisions_device on decisions (device_id, created_ms)
CREATE INDEX deltas_digest on deltas (digest) where digest is not null
CREATE INDEX deltas_state on deltas (state, due_ms)
CREATE INDEX deltas_to on deltas (to_digest)
CREATE INDEX devices_seen on devices (kind, product, seen_ms)
CREATE INDEX layer_packs_pack on layer_packs (pack)
CREATE INDEX layers_diff_id on layers (diff_id) where diff_id is not null
CREATE INDEX layers_index on layers (index_digest) where index_digest is not null
CREATE INDEX layers_work on layers (state, updated_ms)
CREATE INDEX manifest_children_digest on manifest_children (digest)
CREATE INDEX manifests_digest on manifests (digest)
CREATE INDEX manifests_subject on manifests (repo, subject) where subject is not null
CREATE INDEX ostree_delta_files_digest on ostree_delta_files (digest)
CREATE INDEX ostree_deltas_state on ostree_deltas (state, due_ms)
CREATE INDEX ostree_edges_child on ostree_edges (child)
CREATE INDEX ostree_object_chunks_pack on ostree_object_chunks (pack, first_byte)
CREATE INDEX ostree_ref_log_ref on ostree_ref_log (repo, ref, id)
CREATE INDEX ostree_repo_objects_object on ostree_repo_objects (object)
CREATE INDEX releases_tag on releases (repo, tag, id)
CREATE INDEX repo_blobs_digest on repo_blobs (digest)
CREATE INDEX tags_digest on tags (repo, digest)
CREATE INDEX uploads_updated on uploads (updated_ms)
CREATE TABLE "devices" ( id text not null, kind text not null, product text not null, channel text not null, platform text not null, region text not null, current text, seen_ms integer not null, primary key (id, kind) ) without rowid
CREATE TABLE chunks ( digest text primary key, pack text not null references packs (digest) on delete cascade, first_byte integer not null, length integer not null, raw_length integer not null ) without rowid
CREATE TABLE condemned ( digest text primary key, until_ms integer not null, removed integer not null default 0 ) without rowid
CREATE TABLE decisions ( id text primary key, device_id text not null, product text not null, from_digest text, to_digest text not null, created_ms integer not null , kind text not null default 'oci') without rowid
CREATE TABLE deltas ( id integer primary key autoincrement, repo text not null, tag text not null, platform text not null, from_digest text not null, to_digest text not null, state text not null, attempts integer not null default 0, progress real not null default 0, due_ms integer not null, digest text, size integer, full_size integer, ram_bytes integer, build_ms real, apply_ms real, codecs text, reason text, created_ms integer not null, updated_ms integer not null, owner text, lease_until_ms integer, fence integer not null default 0, unique (repo, tag, platform, from_digest, to_digest) )
CREATE TABLE events ( decision_id text not null references decisions (id) on delete cascade, seq integer not null, type text not null, at_ms integer not null, plan text, bytes integer, code text, message text, primary key (decision_id, seq) ) without rowid
CREATE TABLE layer_packs ( layer text not null references layers (digest) on delete cascade, pack text not null, primary key (layer, pack) ) without rowid
CREATE TABLE layers ( digest text primary key, media_type text not null, state text not null, diff_id text, raw_size integer, index_digest text, index_size integer, reason text, created_ms integer not null, updated_ms integer not null, owner text, lease_until_ms integer, fence integer not null default 0 ) without rowid
CREATE TABLE manifest_children ( repo text not null, parent text not null, position integer not null, digest text not null, kind text not null, tar_type text, primary key (repo, parent, position), foreign key (repo, parent) references manifests (repo, digest) on delete cascade ) without rowid
CREATE TABLE manifests ( id integer primary key autoincrement, repo text not null, digest text not null, media_type text not null, size integer not null, subject text, artifact_type text, annotations text, unique (repo, digest) )
CREATE TABLE ostree_commitmeta ( repo text not null, checksum text not null, bytes blob not null, updated_ms integer not null, primary key (repo, checksum) ) without rowid
CREATE TABLE ostree_delta_files ( delta integer not null references ostree_deltas (id) on delete cascade, name text not null, digest text not null, size integer not null, primary key (delta, name) ) without rowid
CREATE TABLE ostree_deltas ( id integer primary key autoincrement, repo text not null, ref text not null, from_checksum text not null, to_checksum text not null, state text not null, attempts integer not null default 0, progress real not null default 0, due_ms integer not null, superblock_bytes integer, part_bytes integer, fallback_bytes integer, full_bytes integer, full_requests integer, requests integer, build_ms integer, apply_ms integer, reason text, created_ms integer not null, updated_ms integer not null, owner text, lease_until_ms integer, fence integer not null default 0, unique (repo, to_checksum, from_checksum) )
CREATE TABLE ostree_edges ( parent integer not null references ostree_objects (id) on delete cascade, child integer not null references ostree_objects (id), history integer not null, primary key (parent, child, history) ) without rowid
CREATE TABLE ostree_object_chunks ( object integer not null references ostree_objects (id) on delete cascade, position integer not null, digest text not null, pack text not null references packs (digest), first_byte integer not null, length integer not null, raw_length integer not null, primary key (object, position) ) without rowid
CREATE TABLE ostree_objects ( id integer primary key, checksum text not null, kind text not null, size integer, header blob, created_ms integer not null, touched_ms integer not null, unique (checksum, kind) )
CREATE TABLE ostree_ref_log ( id integer primary key autoincrement, repo text not null, ref text not null, checksum text not null, parent text, moved_ms integer not null )
CREATE TABLE ostree_refs ( repo text not null, ref text not null, checksum text not null, updated_ms integer not null, primary key (repo, ref) ) without rowid
CREATE TABLE ostree_repo_objects ( repo text not null, object integer not null references ostree_objects (id), linked_ms integer not null, primary key (repo, object) ) without rowid
CREATE TABLE ostree_repos (name text primary key, created_ms integer not null) without rowid
CREATE TABLE packs (digest text primary key, size integer not null) without rowid
CREATE TABLE releases ( id integer primary key autoincrement, repo text not null, tag text not null, digest text not null, pushed_ms integer not null )
CREATE TABLE removals (id integer primary key check (id = 1), epoch integer not null)
CREATE TABLE repo_blobs ( repo text not null, digest text not null, size integer not null, linked_ms integer not null, primary key (repo, digest) ) without rowid
CREATE TABLE repositories (name text primary key, created_ms integer not null) without rowid
CREATE TABLE signing_keys ( id text primary key, secret text not null, created_ms integer not null ) without rowid
CREATE TABLE sqlite_sequence(name,seq)
CREATE TABLE tags ( repo text not null, name text not null, digest text not null, release_id integer not null, primary key (repo, name), foreign key (repo, digest) references manifests (repo, digest) on delete cascade ) without rowid
CREATE TABLE tokens ( name text primary key, secret_digest text not null unique, grants text not null, created_ms integer not null, expires_ms integer ) without rowid
CREATE TABLE upload_parts ( upload_id text not null references uploads (id) on delete cascade, first_byte integer not null, size integer not null, digest text not null, primary key (upload_id, first_byte) ) without rowid
CREATE TABLE uploads ( id text primary key, repo text not null, size integer not null, updated_ms integer not null ) without rowid
CREATE TRIGGER condemned_added after insert on condemned begin update removals set epoch = epoch + 1 where id = 1; end
CREATE TRIGGER condemned_changed after update on condemned begin update removals set epoch = epoch + 1 where id = 1; end
CREATE TRIGGER ostree_repo_objects_removed after delete on ostree_repo_objects begin update removals set epoch = epoch + 1 where id = 1; end
CREATE TRIGGER repo_blobs_removed after delete on repo_blobs begin update removals set epoch = epoch + 1 where id = 1; end
