-- The event log is written once: no position after commit, no mark after publishing.

-- The transaction that wrote a row, and the order in which rows were written. Readers take what became visible between
-- two snapshots, ordered by seq: nothing is lost that commits late, and no aggregate's order is broken.
ALTER TABLE events
    ADD COLUMN tx  xid8   NOT NULL DEFAULT '0',
    ADD COLUMN seq bigint;

-- What was there has been read and published, except what the old relay still had to do.
CREATE TABLE set_aside (
    seq             bigint PRIMARY KEY,
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error      text        NOT NULL,
    since           timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX set_aside_due ON set_aside (next_attempt_at);
COMMENT ON TABLE set_aside IS 'Events that the broker did not take: tried again by themselves, and nothing waits for them.';

UPDATE events e SET seq = n.seq
FROM (SELECT event_id, row_number() OVER (ORDER BY position NULLS LAST, occurred_at, version) AS seq FROM events) n
WHERE n.event_id = e.event_id;
INSERT INTO set_aside (seq, attempts, last_error)
SELECT seq, attempts, coalesce(last_error, 'not published before the log changed its form')
FROM events WHERE subscribed AND published_at IS NULL;

ALTER TABLE events DROP CONSTRAINT events_pkey, ALTER COLUMN seq SET NOT NULL;
ALTER TABLE events
    ADD PRIMARY KEY (seq),
    ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY,
    ALTER COLUMN tx SET DEFAULT pg_current_xact_id(),
    DROP COLUMN position, DROP COLUMN published_at, DROP COLUMN attempts, DROP COLUMN next_attempt_at,
    DROP COLUMN last_error, DROP COLUMN subscribed,
    -- Stored as it came, and never searched by its fields on the way.
    ALTER COLUMN data TYPE json;
SELECT setval(pg_get_serial_sequence('events', 'seq'), (SELECT coalesce(max(seq), 0) + 1 FROM events), false);
CREATE INDEX events_tx ON events (tx);
DROP INDEX IF EXISTS events_audience;
CREATE INDEX events_audience ON events (audience, tx) WHERE audience IS NOT NULL;
DROP TABLE event_counter;

-- How far the relay is: everything that `done` sees is published, and of what `window_end` sees, everything up to `seq`.
-- `epoch` names the cluster whose transaction ids these are: after a restore they mean nothing.
CREATE TABLE relay_cursor (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch  text        NOT NULL,
    done   pg_snapshot NOT NULL,
    window_end pg_snapshot,
    seq    bigint      NOT NULL DEFAULT 0,
    at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO relay_cursor (epoch, done)
SELECT (SELECT system_identifier FROM pg_control_system()) || '-' || (SELECT timeline_id FROM pg_control_checkpoint()),
       pg_current_snapshot();

-- An answer is stored with its effect, at the end: there is no claim without an answer.
DELETE FROM idempotency WHERE status IS NULL;
ALTER TABLE idempotency ALTER COLUMN status SET NOT NULL, ALTER COLUMN body SET NOT NULL,
    ALTER COLUMN body TYPE json;
