-- dispatch-svc: zones, riders, deliveries, offers, and rounds, which explain the decisions.

CREATE TABLE zones (
    id      text PRIMARY KEY,
    -- The aggregate id of its events: a UUID v5 of `id`.
    uid     uuid   NOT NULL UNIQUE,
    name    text   NOT NULL,
    -- Corners, [{lat, lng}].
    polygon jsonb  NOT NULL,
    policy  jsonb  NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE riders (
    id              uuid PRIMARY KEY,
    name            text             NOT NULL,
    vehicle         text             NOT NULL,
    speed_mps       double precision NOT NULL CHECK (speed_mps > 0),
    capacity        integer          NOT NULL CHECK (capacity >= 1),
    status          text             NOT NULL,
    -- Sent no position for 60 s: gets no offers.
    stale           boolean          NOT NULL DEFAULT false,
    -- The number of accepted offers that have not ended.
    active          integer          NOT NULL DEFAULT 0,
    version         bigint           NOT NULL,
    -- The last position, written every ten seconds at most. The newest position is in Redis.
    last_seen_at    timestamptz,
    last_place      jsonb,
    -- The H3 cell of last_place.
    cell            text,
    -- When `active` last became 0.
    idle_since      timestamptz      NOT NULL DEFAULT clock_timestamp(),
    -- Accepted offers, and all answered or expired offers: accepted, declined, expired.
    offers_accepted bigint           NOT NULL DEFAULT 0,
    offers_answered bigint           NOT NULL DEFAULT 0,
    CHECK (active BETWEEN 0 AND capacity)
);
CREATE INDEX riders_on_shift ON riders (last_seen_at) WHERE status <> 'offline';

CREATE TABLE deliveries (
    id             uuid PRIMARY KEY,
    -- An order has at most one delivery.
    order_id       uuid        NOT NULL UNIQUE,
    merchant_id    uuid        NOT NULL,
    merchant_name  text        NOT NULL,
    zone_id        text        NOT NULL,
    pickup         jsonb       NOT NULL,
    dropoff        jsonb       NOT NULL,
    ready_at       timestamptz NOT NULL,
    promise_at     timestamptz NOT NULL,
    -- SHA-256, hex, of 'ord_…:PIN'.
    pin_hash       text        NOT NULL,
    state          text        NOT NULL,
    version        bigint      NOT NULL,
    -- The newest version of the order that was applied.
    order_version  bigint      NOT NULL,
    -- The number of the assignment: 1, and one more with every reassignment.
    attempt        integer     NOT NULL DEFAULT 1,
    rider_id       uuid REFERENCES riders,
    reason         text,
    opened_at      timestamptz NOT NULL,
    state_since    timestamptz NOT NULL,
    assigned_at    timestamptz,
    at_pickup_at   timestamptz,
    picked_up_at   timestamptz,
    at_dropoff_at  timestamptz,
    delivered_at   timestamptz,
    -- The rider's position at the last check whether the rider moves.
    watched_place  jsonb,
    CHECK ((state IN ('assigned', 'at_pickup', 'picked_up', 'at_dropoff', 'delivered', 'returning', 'returned', 'failed')) <= (rider_id IS NOT NULL)),
    CHECK ((state IN ('scheduled', 'searching', 'offered', 'unassignable')) <= (rider_id IS NULL))
);
CREATE INDEX deliveries_open ON deliveries (id)
    WHERE state NOT IN ('delivered', 'returned', 'failed', 'cancelled', 'unassignable');
CREATE INDEX deliveries_of_rider ON deliveries (rider_id, id);

CREATE TABLE rounds (
    id             uuid PRIMARY KEY,
    delivery_id    uuid        NOT NULL REFERENCES deliveries,
    at             timestamptz NOT NULL,
    -- 'offer', 'hold', 'nobody'.
    outcome        text        NOT NULL,
    reason         text,
    -- Of a hold: when it is decided again.
    until_at       timestamptz,
    policy_version integer     NOT NULL,
    -- [{rider, gate, cost, terms}], best first.
    candidates     jsonb       NOT NULL,
    -- The number of riders that were considered and are not in `candidates`.
    left_out       integer     NOT NULL
);
CREATE INDEX rounds_of_delivery ON rounds (delivery_id, id);

CREATE TABLE offers (
    id          uuid PRIMARY KEY,
    delivery_id uuid        NOT NULL REFERENCES deliveries,
    order_id    uuid        NOT NULL,
    rider_id    uuid        NOT NULL REFERENCES riders,
    attempt     integer     NOT NULL,
    state       text        NOT NULL,
    version     bigint      NOT NULL,
    round_id    uuid        NOT NULL REFERENCES rounds,
    -- The delivery's ready time when the offer was made.
    ready_at    timestamptz NOT NULL,
    sent_at     timestamptz NOT NULL,
    -- The rider can answer before this time, by the clock of the database.
    expires_at  timestamptz NOT NULL,
    accepted_at timestamptz,
    -- Of an accepted offer: when the assignment ended (delivered, cancelled, reassigned …). Of any other: when it was
    -- declined, expired or was revoked.
    ended_at    timestamptz,
    -- Why it was declined or revoked, or why the assignment ended.
    reason      text,
    CHECK ((state = 'accepted') = (accepted_at IS NOT NULL))
);
-- A delivery has at most one assignment.
CREATE UNIQUE INDEX offers_one_assignment ON offers (delivery_id) WHERE state = 'accepted' AND ended_at IS NULL;
-- A rider has at most one open offer of a delivery.
CREATE UNIQUE INDEX offers_one_open ON offers (delivery_id, rider_id) WHERE state = 'sent';
CREATE INDEX offers_of_delivery ON offers (delivery_id, attempt);
CREATE INDEX offers_open ON offers (expires_at) WHERE state = 'sent';
CREATE INDEX offers_open_of_rider ON offers (rider_id) WHERE state = 'sent' OR (state = 'accepted' AND ended_at IS NULL);
