-- The catalogue of a recording: recording.sqlite beside segments/. It says where each frame lies and what can
-- be searched for; the segments hold the frames with all that is known of each, so this file can be made again from
-- them. Written by the storer alone. Times are CLOCK_MONOTONIC nanoseconds of the run's boot unless named wall, which is
-- ns since 1970. Older versions are brought up to this one by workers/storer/migrate.c.

CREATE TABLE schema_version (
  version INTEGER NOT NULL
);
INSERT INTO schema_version VALUES (2);

-- One `troupe up`. Its number is the wall clock then, in ms.
CREATE TABLE runs (
  run      INTEGER PRIMARY KEY,
  pipeline TEXT NOT NULL,             -- '' when the catalogue was made from the segments
  boot     TEXT NOT NULL DEFAULT ''   -- the machine's boot id; '' not known
);

-- How the clocks of a run went together: from this moment on wall = monotonic + offset. A row when a run begins and
-- whenever the wall clock is stepped. What came before the first row goes by it too.
CREATE TABLE clock (
  run         INTEGER NOT NULL,
  since       INTEGER NOT NULL,       -- monotonic
  wall_offset INTEGER NOT NULL,       -- ns
  PRIMARY KEY (run, since)
) WITHOUT ROWID;

-- What is known of a stream of a run. Counts are of all frames that were ever stored, forgotten ones included.
CREATE TABLE streams (
  run          INTEGER NOT NULL,
  stream       TEXT NOT NULL,
  width        INTEGER NOT NULL,      -- pixels
  height       INTEGER NOT NULL,
  fps_num      INTEGER NOT NULL,      -- nominal rate; 0 when it is not known
  fps_den      INTEGER NOT NULL,
  frames       INTEGER NOT NULL DEFAULT 0,
  bypassed     INTEGER NOT NULL DEFAULT 0,
  quarantined  INTEGER NOT NULL DEFAULT 0,
  last_seq     INTEGER NOT NULL DEFAULT 0,
  last_ordinal INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, stream)
) WITHOUT ROWID;

-- One file segments/NNNNNN.seg. Everything before `bytes` is durable and has its rows in `frames`.
CREATE TABLE segments (
  segment      INTEGER PRIMARY KEY,
  stream       TEXT NOT NULL,         -- '': of several streams (made by version 1)
  state        TEXT NOT NULL,         -- 'open': may still grow; 'closed'; 'doomed': about to go, and its frames with it
  coding       INTEGER NOT NULL,      -- 0 JPEG, 1 H.264 (re-coded or as it came), of its first frame
  replaces     INTEGER NOT NULL DEFAULT 0, -- the segment it was re-coded from; 0: none
  created_wall INTEGER NOT NULL,
  bytes        INTEGER NOT NULL,
  frames       INTEGER NOT NULL,
  first_wall   INTEGER NOT NULL,      -- earliest and latest capture of its frames; 0: none yet
  last_wall    INTEGER NOT NULL
);
CREATE INDEX segments_by_age ON segments (stream, last_wall);
CREATE INDEX segments_unfinished ON segments (segment) WHERE state <> 'closed';

CREATE TABLE frames (
  run           INTEGER NOT NULL,
  stream        TEXT NOT NULL,
  seq           INTEGER NOT NULL,     -- dense from 1 per (run, stream) over all captured frames
  ordinal       INTEGER NOT NULL,     -- dense from 1 per (run, stream) over the frames owed to the recording
  segment       INTEGER NOT NULL,
  offset        INTEGER NOT NULL,     -- of the record in its segment
  length        INTEGER NOT NULL,     -- of the record
  coding        INTEGER NOT NULL,     -- 0 JPEG, 1 H.264, 2 H.264 that needs no frame before it
  coded_at      INTEGER NOT NULL,     -- where the coded bytes begin in the segment
  coded_bytes   INTEGER NOT NULL,
  width         INTEGER NOT NULL,
  height        INTEGER NOT NULL,
  pts           INTEGER NOT NULL,     -- presentation time in the source, ns
  captured      INTEGER NOT NULL,     -- the stations of the frame
  captured_wall INTEGER NOT NULL,
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
CREATE INDEX frames_by_wall ON frames (stream, captured_wall);

-- Frames that were stored and are not there any more, by ranges that do not overlap.
CREATE TABLE forgotten (
  run           INTEGER NOT NULL,
  stream        TEXT NOT NULL,
  first_seq     INTEGER NOT NULL,
  last_seq      INTEGER NOT NULL,
  first_ordinal INTEGER NOT NULL,
  last_ordinal  INTEGER NOT NULL,
  why           TEXT NOT NULL,        -- 'keep': older than is kept; 'space': the disk was full; 'damaged': repair;
                                      -- 'gone': not in the segments when the catalogue was made from them
  at_wall       INTEGER NOT NULL,
  PRIMARY KEY (run, stream, first_seq)
) WITHOUT ROWID;

-- What happened, as spans. Those of frames (recorded, motion, label, prediction) go from a frame to a frame and end once
-- `event_gap` has gone by without another. They come in pieces of at most an hour, cut also where the wall clock was
-- stepped: a piece begins where the one before it ended. The others (lost, died) name a moment or a span without frames.
CREATE TABLE events (
  event      INTEGER PRIMARY KEY,
  run        INTEGER NOT NULL,
  stream     TEXT NOT NULL,           -- '': of none
  kind       TEXT NOT NULL,           -- 'recorded', 'motion', 'label', 'prediction', 'lost', 'died'
  what       TEXT NOT NULL,           -- the label, the predicted label, why the camera was lost, who died of what; else ''
  first_seq  INTEGER NOT NULL,        -- 0: without frames
  last_seq   INTEGER NOT NULL,
  begun      INTEGER NOT NULL,        -- capture time of the first frame, monotonic
  ended      INTEGER NOT NULL,        -- and of the last
  begun_wall INTEGER NOT NULL,
  ended_wall INTEGER NOT NULL,
  frames     INTEGER NOT NULL,        -- that match, of those within; of a piece that goes on, without its first
  best       REAL NOT NULL,           -- highest motion or probability
  open       INTEGER NOT NULL         -- 1: the next frame may still belong to it
);
CREATE INDEX events_by_stream ON events (stream, kind, what, begun_wall);
CREATE INDEX events_by_time ON events (begun_wall);
CREATE INDEX events_open ON events (open) WHERE open;
