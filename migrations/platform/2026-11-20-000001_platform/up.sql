-- The tables of every service: event log, applied versions, idempotency, timers, leases, dead letters, alarms.
-- They are made in each service's schema, before the service's own tables.

-- Timeline, outbox and source of streams. Every version of every aggregate has exactly one row.
CREATE TABLE events (
    event_id        uuid PRIMARY KEY,
    type            text        NOT NULL,
    aggregate       text        NOT NULL,
    aggregate_id    uuid        NOT NULL,
    version         bigint      NOT NULL CHECK (version > 0),
    occurred_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    traceparent     text,
    actor           text        NOT NULL,
    -- Whose stream shows it: 'merchant:<uuid>', 'rider:<uuid>'.
    audience        text,
    data            jsonb       NOT NULL,
    -- Whether a queue gets it. If not, it is not published.
    subscribed      boolean     NOT NULL,
    -- Set after the commit, in commit order, for streams and relay. Reading by id or time would miss late commits.
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

-- The inbox: for each consumer the newest version of a foreign aggregate that it has handled, also without an effect.
CREATE TABLE applied (
    consumer     text   NOT NULL,
    aggregate    text   NOT NULL,
    aggregate_id uuid   NOT NULL,
    version      bigint NOT NULL,
    PRIMARY KEY (consumer, aggregate, aggregate_id)
);

-- Events that came after the local state had passed them. Counted, not retried.
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

-- Messages whose retries all failed, moved here from the broker's `.dead` queues for operators.
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

-- One alarm per aggregate and kind, resolved when the aggregate changes again.
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
