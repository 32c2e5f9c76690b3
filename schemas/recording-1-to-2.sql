-- Brings a catalogue of version 1 to version 2 (recording.sql says what the columns mean). Its segments hold several
-- streams; only the newest one may have grown behind what the catalogue knows.

ALTER TABLE runs ADD COLUMN boot TEXT NOT NULL DEFAULT '';

CREATE TABLE clock (
  run         INTEGER NOT NULL,
  since       INTEGER NOT NULL,
  wall_offset INTEGER NOT NULL,
  PRIMARY KEY (run, since)
) WITHOUT ROWID;

-- A row where a run begins and where the wall clock was stepped by more than 50 ms.
INSERT OR IGNORE INTO clock
  SELECT run, captured, wall_offset FROM (
    SELECT run, captured, captured_wall - captured AS wall_offset,
      lag(captured_wall - captured) OVER (PARTITION BY run ORDER BY captured) AS before FROM frames)
  WHERE before IS NULL OR abs(wall_offset - before) > 50000000;

ALTER TABLE streams ADD COLUMN frames INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN bypassed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN last_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE streams ADD COLUMN last_ordinal INTEGER NOT NULL DEFAULT 0;

UPDATE streams SET frames = n, bypassed = b, quarantined = q, last_seq = s, last_ordinal = o FROM (
    SELECT run AS r, stream AS t, count(*) AS n, sum(bypassed) AS b, sum(quarantined) AS q, max(seq) AS s,
      max(ordinal) AS o FROM frames GROUP BY run, stream)
  WHERE run = r AND stream = t;

ALTER TABLE segments RENAME TO segments_1;
CREATE TABLE segments (
  segment      INTEGER PRIMARY KEY,
  stream       TEXT NOT NULL,
  state        TEXT NOT NULL,
  coding       INTEGER NOT NULL,
  replaces     INTEGER NOT NULL DEFAULT 0,
  created_wall INTEGER NOT NULL,
  bytes        INTEGER NOT NULL,
  frames       INTEGER NOT NULL,
  first_wall   INTEGER NOT NULL,
  last_wall    INTEGER NOT NULL
);
INSERT INTO segments
  SELECT s.segment, '', CASE s.segment WHEN (SELECT max(segment) FROM segments_1) THEN 'open' ELSE 'closed' END, 0, 0,
    s.created_wall, s.bytes, count(f.seq), coalesce(min(f.captured_wall), 0), coalesce(max(f.captured_wall), 0)
  FROM segments_1 AS s LEFT JOIN frames AS f ON f.segment = s.segment GROUP BY s.segment;
DROP TABLE segments_1;
CREATE INDEX segments_by_age ON segments (stream, last_wall);
CREATE INDEX segments_unfinished ON segments (segment) WHERE state <> 'closed';

DROP INDEX frames_by_place;
DROP INDEX frames_by_wall;
DROP INDEX frames_by_label;
DROP INDEX frames_by_prediction;
ALTER TABLE frames RENAME TO frames_1;
CREATE TABLE frames (
  run           INTEGER NOT NULL,
  stream        TEXT NOT NULL,
  seq           INTEGER NOT NULL,
  ordinal       INTEGER NOT NULL,
  segment       INTEGER NOT NULL,
  offset        INTEGER NOT NULL,
  length        INTEGER NOT NULL,
  coding        INTEGER NOT NULL,
  coded_at      INTEGER NOT NULL,
  coded_bytes   INTEGER NOT NULL,
  width         INTEGER NOT NULL,
  height        INTEGER NOT NULL,
  pts           INTEGER NOT NULL,
  captured      INTEGER NOT NULL,
  captured_wall INTEGER NOT NULL,
  published     INTEGER NOT NULL,
  claimed       INTEGER NOT NULL,
  finished      INTEGER NOT NULL,
  stored        INTEGER NOT NULL,
  source_index  INTEGER NOT NULL,
  label         TEXT,
  prediction    TEXT,
  probability   REAL NOT NULL,
  model_version INTEGER NOT NULL,
  motion        REAL NOT NULL,
  drops_no_slot INTEGER NOT NULL,
  drops_device  INTEGER NOT NULL,
  drops_damaged INTEGER NOT NULL,
  drops_size    INTEGER NOT NULL,
  bypassed      INTEGER NOT NULL,
  quarantined   INTEGER NOT NULL,
  PRIMARY KEY (run, stream, seq)
) WITHOUT ROWID;
INSERT INTO frames
  SELECT run, stream, seq, ordinal, segment, offset, length, 0, offset + 240, coded_bytes, width, height, pts, captured,
    captured_wall, published, claimed, finished, stored, source_index, label, prediction, probability, model_version,
    motion, drops_no_slot, drops_device, drops_damaged, drops_size, bypassed, quarantined
  FROM frames_1 ORDER BY run, stream, seq;
DROP TABLE frames_1;
CREATE UNIQUE INDEX frames_by_place ON frames (segment, offset);
CREATE INDEX frames_by_wall ON frames (stream, captured_wall);

CREATE TABLE forgotten (
  run           INTEGER NOT NULL,
  stream        TEXT NOT NULL,
  first_seq     INTEGER NOT NULL,
  last_seq      INTEGER NOT NULL,
  first_ordinal INTEGER NOT NULL,
  last_ordinal  INTEGER NOT NULL,
  why           TEXT NOT NULL,
  at_wall       INTEGER NOT NULL,
  PRIMARY KEY (run, stream, first_seq)
) WITHOUT ROWID;

CREATE TABLE events (
  event      INTEGER PRIMARY KEY,
  run        INTEGER NOT NULL,
  stream     TEXT NOT NULL,
  kind       TEXT NOT NULL,
  what       TEXT NOT NULL,
  first_seq  INTEGER NOT NULL,
  last_seq   INTEGER NOT NULL,
  begun      INTEGER NOT NULL,
  ended      INTEGER NOT NULL,
  begun_wall INTEGER NOT NULL,
  ended_wall INTEGER NOT NULL,
  frames     INTEGER NOT NULL,
  best       REAL NOT NULL,
  open       INTEGER NOT NULL
);
CREATE INDEX events_by_stream ON events (stream, kind, what, begun_wall);
CREATE INDEX events_by_time ON events (begun_wall);
CREATE INDEX events_open ON events (open) WHERE open;

UPDATE schema_version SET version = 2;
