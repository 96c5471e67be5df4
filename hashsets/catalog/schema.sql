-- The catalog of a bitmend vault, schema version 1.
--
-- Look with any SQLite shell, but only look:
--
--     sqlite3 'file:catalog.db?mode=ro'
--
-- Every page ends in 8 bytes of checksum (https://sqlite.org/cksumvfs.html).
-- A shell that writes does not know them, and bitmend then refuses the file.
-- The views at the end show names, digests and times as text.
--
-- What a walk over a million records reads is packed into few columns, since
-- each column of a row costs as much time as a check of it; hex() shows them.
--
-- Conventions
--   times      nanoseconds since 1970-01-01 UTC; 0 means never
--   names      BLOBs: any byte but NUL is legal, and they sort as bytes
--   digests    packed one after the other, in the order of the algorithms'
--              names: one byte with the length of the name, the name, one byte
--              with the length of the digest, the digest
--   shard_sums XXH64 (seed 0) of each shard in order, 8 bytes each, big-endian
--   state      what a store says of a blob without its bytes, packed: size, modification time, inode-change time,
--              device, inode, 8 bytes each, big-endian; for an object then the length of its ETag in 4 bytes,
--              big-endian, the ETag, and its version
--   attributes what repair gives back with the bytes, packed: mode (st_mode & 07777), owner, group, 4 bytes each,
--              modification time, 8 bytes, big-endian; then, if there are any, JSON of extended attributes, content
--              type, metadata and tags: CAST(substr(attributes, 21) AS TEXT)
--   row_check  XXH64 (seed 0) of the name of the table and then each column as
--              it stands in the declaration: for an INTEGER the byte 'i' and 8
--              bytes, big-endian; for all else the byte 'b', the length in 8
--              bytes, big-endian, and the bytes. Columns that a comment calls
--              bound come last, columns that it calls unbound are left out.

-- One row. id is random and tells this catalog from every other; epoch counts
-- the committed updates and is held against the file catalog.db-epoch, so
-- that an older copy of the catalog is not taken for the newest.
CREATE TABLE meta (
  one       INTEGER PRIMARY KEY CHECK (one = 1),
  id        BLOB    NOT NULL,
  epoch     INTEGER NOT NULL,
  row_check INTEGER NOT NULL
);

-- How many rows a table has and the sum of their row_checks modulo 2^64, so
-- that a row which vanished is missed. 'record' counts current records,
-- 'history' the others. coverage has no tally: a blob whose coverage is lost
-- is verified again.
CREATE TABLE tally (
  of        TEXT    PRIMARY KEY,
  rows      INTEGER NOT NULL,
  sum       INTEGER NOT NULL,
  row_check INTEGER NOT NULL
) WITHOUT ROWID;

-- One row for each name that was ever recorded, with its current record.
-- generation is 0 when there is none: the blob vanished, or only places of it
-- are known; the other columns are then 0 or empty.
-- id is unbound: other tables name a blob by it and bind the name instead.
CREATE TABLE blob (
  id            INTEGER PRIMARY KEY,
  name          BLOB    NOT NULL,
  generation    INTEGER NOT NULL,
  recorded_at   INTEGER NOT NULL,
  kind          INTEGER NOT NULL,  -- 1 file, 2 link, 3 directory
  state         BLOB    NOT NULL,
  attributes    BLOB    NOT NULL,
  target        BLOB    NOT NULL,  -- of a link
  size          INTEGER NOT NULL,  -- bytes that were hashed
  digests       BLOB    NOT NULL,
  shard_size    INTEGER NOT NULL,
  shard_sums    BLOB    NOT NULL,
  row_check     INTEGER NOT NULL
);
CREATE UNIQUE INDEX blob_by_name ON blob(name);

-- Generations that are not current any more: superseded or vanished.
-- blob is unbound; the blob's name is bound.
CREATE TABLE history (
  blob          INTEGER NOT NULL,
  generation    INTEGER NOT NULL,
  ended_at      INTEGER NOT NULL,  -- when it was superseded or vanished
  recorded_at   INTEGER NOT NULL,
  kind          INTEGER NOT NULL,
  state         BLOB    NOT NULL,
  attributes    BLOB    NOT NULL,
  target        BLOB    NOT NULL,
  size          INTEGER NOT NULL,
  digests       BLOB    NOT NULL,
  shard_size    INTEGER NOT NULL,
  shard_sums    BLOB    NOT NULL,
  row_check     INTEGER NOT NULL,
  PRIMARY KEY (blob, generation)
) WITHOUT ROWID;

CREATE TABLE store (
  id        INTEGER PRIMARY KEY,
  name      TEXT    NOT NULL UNIQUE,
  row_check INTEGER NOT NULL
);

-- When each blob was last verified in each store.
-- key is store.id * 2^40 + blob.id and unbound; the names of both are bound.
CREATE TABLE coverage (
  key           INTEGER PRIMARY KEY,
  generation    INTEGER NOT NULL,
  verified_at   INTEGER NOT NULL,
  depth         INTEGER NOT NULL,  -- 1 light, 2 deep buffered, 3 deep direct, 4 by construction
  run           INTEGER NOT NULL,
  state         BLOB    NOT NULL,  -- of the blob in that store
  row_check     INTEGER NOT NULL
);

-- What scrub said of blobs that are not intact.
CREATE TABLE finding (
  store         TEXT    NOT NULL,
  name          BLOB    NOT NULL,
  verdict       TEXT    NOT NULL,
  generation    INTEGER NOT NULL,
  state         BLOB    NOT NULL,
  detail        TEXT    NOT NULL,  -- JSON
  first_seen    INTEGER NOT NULL,
  last_seen     INTEGER NOT NULL,
  run           INTEGER NOT NULL,
  lost          TEXT    NOT NULL,  -- why it cannot be rebuilt
  row_check     INTEGER NOT NULL,
  PRIMARY KEY (store, name)
) WITHOUT ROWID;

CREATE TABLE run (
  id        INTEGER PRIMARY KEY,
  verb      TEXT    NOT NULL,
  started   INTEGER NOT NULL,
  finished  INTEGER NOT NULL,
  exit      INTEGER NOT NULL,
  summary   TEXT    NOT NULL,  -- JSON
  row_check INTEGER NOT NULL
);

CREATE TABLE gate (
  id           INTEGER PRIMARY KEY,
  name         TEXT    NOT NULL,
  store        TEXT    NOT NULL,
  opened_at    INTEGER NOT NULL,
  reason       TEXT    NOT NULL,
  level        INTEGER NOT NULL,
  cleared_at   INTEGER NOT NULL,
  clear_reason TEXT    NOT NULL,
  row_check    INTEGER NOT NULL
);

CREATE TABLE receipt (
  id        TEXT    PRIMARY KEY,
  store     TEXT    NOT NULL,
  name      BLOB    NOT NULL,
  at        INTEGER NOT NULL,
  outcome   TEXT    NOT NULL,
  detail    TEXT    NOT NULL,  -- JSON
  row_check INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX receipt_by_time ON receipt(at);

CREATE TABLE parity_set (
  id          INTEGER PRIMARY KEY,
  data        INTEGER NOT NULL,    -- k
  parity      INTEGER NOT NULL,    -- m
  shard_size  INTEGER NOT NULL,
  column_size INTEGER NOT NULL,
  stripes     INTEGER NOT NULL,    -- per band
  code        TEXT    NOT NULL,
  tops        BLOB    NOT NULL,  -- bytes in use of each column, 8 bytes each, big-endian
  row_check   INTEGER NOT NULL
);

-- The version of each band that is in force.
CREATE TABLE band (
  parity_set INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  files      INTEGER NOT NULL,     -- how many rows of parity_file belong to it
  row_check  INTEGER NOT NULL,
  PRIMARY KEY (parity_set, number)
) WITHOUT ROWID;

CREATE TABLE parity_file (
  parity_set INTEGER NOT NULL,
  band       INTEGER NOT NULL,
  idx        INTEGER NOT NULL,     -- parity column
  version    INTEGER NOT NULL,     -- of the band
  name       TEXT    NOT NULL,     -- below the parity folder
  size       INTEGER NOT NULL,
  digests    BLOB    NOT NULL,
  shard_size INTEGER NOT NULL,
  shard_sums BLOB    NOT NULL,
  row_check  INTEGER NOT NULL,
  PRIMARY KEY (parity_set, band, idx)
) WITHOUT ROWID;

-- Where blobs lie in parity sets. Places of one column do not overlap.
-- blob is unbound; the blob's name is bound.
CREATE TABLE place (
  parity_set  INTEGER NOT NULL,
  col         INTEGER NOT NULL,
  offset      INTEGER NOT NULL,    -- in the column, bytes
  blob        INTEGER NOT NULL,
  generation  INTEGER NOT NULL,
  blob_offset INTEGER NOT NULL,
  length      INTEGER NOT NULL,
  row_check   INTEGER NOT NULL,
  PRIMARY KEY (parity_set, col, offset, blob, generation, blob_offset)
) WITHOUT ROWID;
CREATE INDEX place_of_blob ON place(blob, generation);

CREATE TABLE setting (
  name      TEXT    PRIMARY KEY,
  value     TEXT    NOT NULL,
  row_check INTEGER NOT NULL
) WITHOUT ROWID;

-- For people.

CREATE VIEW records AS
  SELECT CAST(name AS TEXT) AS name, generation, kind, size,
         datetime(recorded_at / 1000000000, 'unixepoch') AS recorded_at,
         hex(digests) AS digests, hex(shard_sums) AS shard_sums
  FROM blob WHERE generation > 0;

CREATE VIEW findings AS
  SELECT store, CAST(name AS TEXT) AS name, verdict, lost,
         datetime(first_seen / 1000000000, 'unixepoch') AS first_seen,
         datetime(last_seen / 1000000000, 'unixepoch') AS last_seen, detail
  FROM finding;

CREATE VIEW verified AS
  SELECT store.name AS store, CAST(blob.name AS TEXT) AS name, coverage.depth,
         datetime(coverage.verified_at / 1000000000, 'unixepoch') AS verified_at
  FROM coverage JOIN store ON store.id = coverage.key >> 40 JOIN blob ON blob.id = coverage.key & 0xffffffffff;

CREATE VIEW places AS
  SELECT parity_set, col, offset, length, CAST(blob.name AS TEXT) AS name, place.generation, blob_offset
  FROM place JOIN blob ON blob.id = place.blob;
