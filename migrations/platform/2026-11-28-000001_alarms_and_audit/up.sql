-- Alarms are worked on by people: somebody has seen one, puts it off, or ends it.
ALTER TABLE alarms
    ADD COLUMN id             uuid        NOT NULL DEFAULT gen_random_uuid(),
    -- How often it was raised since it was last resolved, and when it was last.
    ADD COLUMN raised         integer     NOT NULL DEFAULT 1,
    ADD COLUMN last_raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN acknowledged_at timestamptz,
    ADD COLUMN acknowledged_by text,
    -- Until then it is not shown among what is stuck.
    ADD COLUMN snoozed_until  timestamptz,
    -- What whoever worked on it last wrote down.
    ADD COLUMN note           text,
    -- Who ended it; NULL when its subject did.
    ADD COLUMN resolved_by    text;
CREATE UNIQUE INDEX alarms_id ON alarms (id);

-- Who of operations did what, when, why, from where, and what it changed. Written in the transaction of the action.
CREATE TABLE audit (
    -- UUID v7: grows with time.
    id           uuid PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor        text        NOT NULL,
    -- Method and path of the call.
    action       text        NOT NULL,
    -- The object of the call, if its answer names one.
    aggregate_id uuid,
    reason       text,
    -- The caller's address, as this service sees it: of a proxy, if there is one.
    address      text,
    -- State and version.
    before       jsonb,
    after        jsonb,
    traceparent  text        NOT NULL
);
CREATE INDEX audit_of_aggregate ON audit (aggregate_id, id) WHERE aggregate_id IS NOT NULL;
