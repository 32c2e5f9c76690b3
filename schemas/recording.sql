-- The catalogue of a recording: recording.sqlite beside segments/. It says where each frame lies and what can
-- be searched for; the segments hold everything, so this file can be made again from them. Written by the
-- storer alone. Times are CLOCK_MONOTONIC nanoseconds of the machine's boot unless named wall.

CREATE TABLE schema_version (
  version INTEGER NOT NULL
);
INSERT INTO schema_version VALUES (1);

-- One `troupe up`. Its number is the wall clock then, in ms.
CREATE TABLE runs (
  run      INTEGER PRIMARY KEY,
  pipeline TEXT NOT NULL              -- '' when the catalogue was made from the segments
);

CREATE TABLE streams (
  run     INTEGER NOT NULL,
  stream  TEXT NOT NULL,
  width   INTEGER NOT NULL,           -- pixels
  height  INTEGER NOT NULL,
  fps_num INTEGER NOT NULL,           -- nominal rate; 0 when it is not known
  fps_den INTEGER NOT NULL,
  PRIMARY KEY (run, stream)
) WITHOUT ROWID;

-- One file segments/NNNNNN.seg. Everything before `bytes` is durable and has its rows in `frames`.
CREATE TABLE segments (
  segment      INTEGER PRIMARY KEY,
  created_wall INTEGER NOT NULL,      -- ns since 1970
  bytes        INTEGER NOT NULL
);

CREATE TABLE frames (
  run           INTEGER NOT NULL,
  stream        TEXT NOT NULL,
  seq           INTEGER NOT NULL,     -- dense from 1 per (run, stream) over all captured frames
  ordinal       INTEGER NOT NULL,     -- dense from 1 per (run, stream) over the frames owed to the recording
  segment       INTEGER NOT NULL,
  offset        INTEGER NOT NULL,     -- of the record in its segment
  length        INTEGER NOT NULL,     -- of the record
  coded_bytes   INTEGER NOT NULL,     -- of the JPEG, which begins 240 bytes behind `offset`
  width         INTEGER NOT NULL,
  height        INTEGER NOT NULL,
  pts           INTEGER NOT NULL,     -- presentation time in the source, ns
  captured      INTEGER NOT NULL,     -- the stations of the frame
  captured_wall INTEGER NOT NULL,     -- ns since 1970
  published     INTEGER NOT NULL,
  claimed       INTEGER NOT NULL,     -- 0: bypassed
  finished      INTEGER NOT NULL,     -- 0: bypassed
  stored        INTEGER NOT NULL,     -- when the disk had it
  source_index  INTEGER NOT NULL,     -- number in the source, from 0, drops included
  label         TEXT,                 -- NULL: none
  prediction    TEXT,                 -- NULL: none
  probability   REAL NOT NULL,
  model_version INTEGER NOT NULL,     -- 0: no prediction
  motion        REAL NOT NULL,        -- 0..1
  drops_no_slot INTEGER NOT NULL,     -- frames dropped just before this one
  drops_device  INTEGER NOT NULL,
  drops_damaged INTEGER NOT NULL,
  drops_size    INTEGER NOT NULL,
  bypassed      INTEGER NOT NULL,     -- 1: stored unprocessed
  quarantined   INTEGER NOT NULL,     -- 1: and kept because it caused three deaths
  PRIMARY KEY (run, stream, seq)
) WITHOUT ROWID;

CREATE UNIQUE INDEX frames_by_place ON frames (segment, offset);
CREATE INDEX frames_by_wall ON frames (captured_wall);
CREATE INDEX frames_by_label ON frames (label) WHERE label IS NOT NULL;
CREATE INDEX frames_by_prediction ON frames (prediction) WHERE prediction IS NOT NULL;
