-- order-svc: orders, payments, ledger; copies of shops and zones, so that pricing needs no other service.

-- Copies from events; only a newer version replaces one.
CREATE TABLE merchants (
    id       uuid PRIMARY KEY,
    version  bigint           NOT NULL,
    name     text             NOT NULL,
    lat      double precision NOT NULL,
    lng      double precision NOT NULL,
    currency text             NOT NULL,
    prep_ms  bigint           NOT NULL,
    status   text             NOT NULL,
    menu     jsonb            NOT NULL
);
CREATE INDEX merchants_place ON merchants (lat, lng);

CREATE TABLE zones (
    id      text PRIMARY KEY,
    version bigint NOT NULL,
    polygon jsonb  NOT NULL,
    policy  jsonb  NOT NULL
);

CREATE TABLE quotes (
    id            uuid PRIMARY KEY,
    customer_id   uuid             NOT NULL,
    merchant_id   uuid             NOT NULL,
    merchant_name text             NOT NULL,
    zone_id       text             NOT NULL,
    lines         jsonb            NOT NULL,
    fees          jsonb            NOT NULL,
    currency      text             NOT NULL,
    total         bigint           NOT NULL CHECK (total >= 0),
    pickup_lat    double precision NOT NULL,
    pickup_lng    double precision NOT NULL,
    dropoff_lat   double precision NOT NULL,
    dropoff_lng   double precision NOT NULL,
    promise_at    timestamptz      NOT NULL,
    expires_at    timestamptz      NOT NULL
);

CREATE TABLE orders (
    id            uuid PRIMARY KEY,
    version       bigint           NOT NULL,
    state         text             NOT NULL,
    external_id   text,
    -- A quote becomes at most one order.
    quote_id      uuid             NOT NULL UNIQUE,
    customer_id   uuid             NOT NULL,
    merchant_id   uuid             NOT NULL,
    merchant_name text             NOT NULL,
    zone_id       text             NOT NULL,
    -- The priced lines. A document, because they never change and are not searched.
    lines         jsonb            NOT NULL,
    fees          jsonb            NOT NULL,
    currency      text             NOT NULL,
    total         bigint           NOT NULL CHECK (total >= 0),
    pickup_lat    double precision NOT NULL,
    pickup_lng    double precision NOT NULL,
    dropoff_lat   double precision NOT NULL,
    dropoff_lng   double precision NOT NULL,
    promise_at    timestamptz      NOT NULL,
    ready_at      timestamptz,
    pin           text             NOT NULL,
    pin_hash      text             NOT NULL,
    reason        text,
    placed_at     timestamptz      NOT NULL,
    -- The newest snapshots of ticket and delivery, for streams of the order.
    ticket        jsonb,
    delivery      jsonb
);
CREATE INDEX orders_of_customer ON orders (customer_id, id);
CREATE INDEX orders_open ON orders (id) WHERE state IN ('pending_payment', 'paid', 'accepted', 'ready', 'delivering');
CREATE UNIQUE INDEX orders_external_id ON orders (customer_id, external_id) WHERE external_id IS NOT NULL;

CREATE TABLE payments (
    id              uuid PRIMARY KEY,
    version         bigint  NOT NULL,
    state           text    NOT NULL,
    order_id        uuid    NOT NULL UNIQUE REFERENCES orders (id),
    method          text    NOT NULL,
    currency        text    NOT NULL,
    amount          bigint  NOT NULL CHECK (amount >= 0),
    -- The number of the customer's attempt to pay; part of every operation key.
    attempt         integer NOT NULL DEFAULT 1,
    -- The gateway operation without a recorded answer. Set before the call, cleared with its result.
    operation       text,
    operation_key   text,
    -- One worker at a time: the one that set this may call the gateway until then.
    locked_until    timestamptz,
    -- When the reconciler takes it next; NULL when there is nothing to do.
    next_attempt_at timestamptz,
    failures        integer NOT NULL DEFAULT 0,
    last_error      text
);
CREATE INDEX payments_due ON payments (next_attempt_at) WHERE next_attempt_at IS NOT NULL;

-- Completed gateway operations, at most one of each kind per order. Equals the gateway's ledger, entry by entry.
CREATE TABLE ledger (
    order_id      uuid        NOT NULL REFERENCES orders (id),
    kind          text        NOT NULL CHECK (kind IN ('authorise', 'capture', 'void', 'refund', 'receivable')),
    payment_id    uuid        NOT NULL,
    amount        bigint      NOT NULL,
    currency      text        NOT NULL,
    operation_key text        NOT NULL UNIQUE,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (order_id, kind)
);
