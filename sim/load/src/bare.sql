-- The tables of the bare loop: the rows of one placed order with the keys and indexes that they need. They do not follow
-- changes of the platform's tables, so that the baselines of different versions are comparable.

CREATE TABLE orders (
    id uuid PRIMARY KEY, version bigint NOT NULL, state text NOT NULL, external_id text, quote_id uuid NOT NULL UNIQUE,
    customer_id uuid NOT NULL, merchant_id uuid NOT NULL, merchant_name text NOT NULL, zone_id text NOT NULL, lines jsonb NOT NULL,
    fees jsonb NOT NULL, currency text NOT NULL, total bigint NOT NULL, pickup_lat float8 NOT NULL, pickup_lng float8 NOT NULL,
    dropoff_lat float8 NOT NULL, dropoff_lng float8 NOT NULL, promise_at timestamptz NOT NULL, pin text NOT NULL,
    pin_hash text NOT NULL, placed_at timestamptz NOT NULL
);
CREATE INDEX ON orders (customer_id, id);
CREATE INDEX ON orders (id) WHERE state IN ('pending_payment', 'paid', 'accepted', 'ready', 'delivering');
CREATE UNIQUE INDEX ON orders (customer_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE payments (
    id uuid PRIMARY KEY, version bigint NOT NULL, state text NOT NULL, order_id uuid NOT NULL UNIQUE REFERENCES orders (id),
    method text NOT NULL, currency text NOT NULL, amount bigint NOT NULL, next_attempt_at timestamptz
);
CREATE INDEX ON payments (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

CREATE TABLE events (
    event_id uuid PRIMARY KEY, type text NOT NULL, aggregate text NOT NULL, aggregate_id uuid NOT NULL, version bigint NOT NULL,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(), traceparent text, actor text NOT NULL, data jsonb NOT NULL,
    tx xid8 NOT NULL DEFAULT pg_current_xact_id(), UNIQUE (aggregate, aggregate_id, version)
);
CREATE INDEX ON events (tx);

CREATE TABLE timers (
    aggregate text NOT NULL, aggregate_id uuid NOT NULL, kind text NOT NULL, fire_at timestamptz NOT NULL,
    PRIMARY KEY (aggregate_id, kind)
);
CREATE INDEX ON timers (fire_at);

CREATE TABLE idempotency (
    principal text NOT NULL, route text NOT NULL, key text NOT NULL, fingerprint text NOT NULL, status smallint NOT NULL,
    body jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (principal, route, key)
);
CREATE INDEX ON idempotency (created_at);
