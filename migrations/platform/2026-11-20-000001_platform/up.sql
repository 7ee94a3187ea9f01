-- What every service has: its event log, what it applied, idempotency, timers, leases, dead letters, alarms.
-- These run in each service's own schema, before the service's own migrations.

-- Timeline, outbox and stream log in one: every version of every aggregate has exactly one row.
CREATE TABLE events (
    event_id        uuid PRIMARY KEY,
    type            text        NOT NULL,
    aggregate       text        NOT NULL,
    aggregate_id    uuid        NOT NULL,
    version         bigint      NOT NULL CHECK (version > 0),
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    traceparent     text,
    actor           text        NOT NULL,
    -- Whose stream of many shows it: 'merchant:<uuid>', 'rider:<uuid>'.
    audience        text,
    data            jsonb       NOT NULL,
    -- Is there a queue for it? If not it is logged only.
    subscribed      boolean     NOT NULL,
    -- Given after commit, in commit order: what streams and the relay read by. Ids or times would lose late commits.
    position        bigint,
    published_at    timestamptz,
    attempts        integer     NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    last_error      text,
    UNIQUE (aggregate, aggregate_id, version)
);
CREATE UNIQUE INDEX events_position ON events (position);
CREATE INDEX events_unpositioned ON events (occurred_at, version) WHERE position IS NULL;
CREATE INDEX events_unpublished ON events (position) WHERE subscribed AND published_at IS NULL;
CREATE INDEX events_audience ON events (audience, position) WHERE audience IS NOT NULL;

CREATE TABLE event_counter (one boolean PRIMARY KEY DEFAULT true CHECK (one), last_position bigint NOT NULL);
INSERT INTO event_counter (last_position) VALUES (0);

-- The inbox: the newest version of a foreign aggregate that a consumer has dealt with, also when it led to nothing.
CREATE TABLE applied (
    consumer     text   NOT NULL,
    aggregate    text   NOT NULL,
    aggregate_id uuid   NOT NULL,
    version      bigint NOT NULL,
    PRIMARY KEY (consumer, aggregate, aggregate_id)
);

-- News that the local state had already passed: counted, never retried.
CREATE TABLE late_events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer     text        NOT NULL,
    aggregate    text        NOT NULL,
    aggregate_id uuid        NOT NULL,
    version      bigint      NOT NULL,
    detail       text        NOT NULL,
    at           timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE idempotency (
    principal   text        NOT NULL,
    route       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint text        NOT NULL,
    status      smallint,
    body        jsonb,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (principal, route, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE timers (
    aggregate     text        NOT NULL,
    aggregate_id  uuid        NOT NULL,
    kind          text        NOT NULL,
    fire_at       timestamptz NOT NULL,
    claimed_until timestamptz,
    attempts      integer     NOT NULL DEFAULT 0,
    last_error    text,
    PRIMARY KEY (aggregate_id, kind)
);
CREATE INDEX timers_due ON timers (fire_at);

CREATE TABLE leases (
    name   text PRIMARY KEY,
    holder text        NOT NULL,
    epoch  bigint      NOT NULL,
    until  timestamptz NOT NULL
);

-- Messages that no retry helped. The broker's .dead queue is the intake, this table is for people.
CREATE TABLE dead_letters (
    id           uuid PRIMARY KEY,
    queue        text        NOT NULL,
    event_id     uuid,
    type         text,
    aggregate    text,
    aggregate_id uuid,
    version      bigint,
    reason       text        NOT NULL,
    body         text        NOT NULL,
    headers      jsonb       NOT NULL,
    died_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at   timestamptz,
    outcome      text
);
CREATE INDEX dead_letters_open ON dead_letters (died_at) WHERE settled_at IS NULL;

-- Somebody should look: raised once per subject and kind, resolved when the subject moves on.
CREATE TABLE alarms (
    kind         text        NOT NULL,
    aggregate    text        NOT NULL,
    aggregate_id uuid        NOT NULL,
    detail       text        NOT NULL,
    raised_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    resolved_at  timestamptz,
    PRIMARY KEY (aggregate_id, kind)
);
CREATE INDEX alarms_open ON alarms (raised_at) WHERE resolved_at IS NULL;
