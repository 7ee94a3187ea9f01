-- The rows of the event log are not updated any more: no position after the commit, no mark after publishing.

-- The transaction of a row, and the order in which rows were inserted. Readers take the rows that became visible between
-- two snapshots, by seq: so they miss no late commit and keep the order of each aggregate's versions.
ALTER TABLE events
    ADD COLUMN tx  xid8   NOT NULL DEFAULT '0',
    ADD COLUMN seq bigint;

-- Events that the broker did not take. Existing rows are published, except those that the old relay had not done yet.
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
    -- Not searched by fields; `json` is stored without parsing it.
    ALTER COLUMN data TYPE json;
SELECT setval(pg_get_serial_sequence('events', 'seq'), (SELECT coalesce(max(seq), 0) + 1 FROM events), false);
CREATE INDEX events_tx ON events (tx);
DROP INDEX IF EXISTS events_audience;
CREATE INDEX events_audience ON events (audience, tx) WHERE audience IS NOT NULL;
DROP TABLE event_counter;

-- The relay's cursor: all events that `done` sees are published, and of those that `window_end` sees, all up to `seq`.
-- `epoch` identifies the cluster: after a restore its transaction ids mean something else.
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

-- An answer is stored in the transaction of its effect: there is no key without an answer.
DELETE FROM idempotency WHERE status IS NULL;
ALTER TABLE idempotency ALTER COLUMN status SET NOT NULL, ALTER COLUMN body SET NOT NULL,
    ALTER COLUMN body TYPE json;
