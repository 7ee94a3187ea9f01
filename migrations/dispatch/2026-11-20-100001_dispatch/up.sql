-- dispatch-svc: zones, riders, deliveries, offers, and why each decision was made.

CREATE TABLE zones (
    id      text PRIMARY KEY,
    -- The aggregate id of its events: made from the name, so it is always the same.
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
    -- Silent for too long: gets no offers.
    stale           boolean          NOT NULL DEFAULT false,
    -- Accepted and not ended offers of this rider. The truth about load: Redis only knows where they are.
    active          integer          NOT NULL DEFAULT 0,
    version         bigint           NOT NULL,
    -- When and where they were last heard of: coarse, written every ten seconds at most. Exact positions are in Redis.
    last_seen_at    timestamptz,
    last_place      jsonb,
    -- The H3 cell of last_place.
    cell            text,
    -- Since when they have had nothing to do.
    idle_since      timestamptz      NOT NULL DEFAULT clock_timestamp(),
    -- How they answer: offers that were accepted, and all that were accepted, declined or let go.
    offers_accepted bigint           NOT NULL DEFAULT 0,
    offers_answered bigint           NOT NULL DEFAULT 0,
    CHECK (active BETWEEN 0 AND capacity)
);
CREATE INDEX riders_on_shift ON riders (last_seen_at) WHERE status <> 'offline';

CREATE TABLE deliveries (
    id             uuid PRIMARY KEY,
    -- An order is carried once.
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
    -- The newest version of the order that was read.
    order_version  bigint      NOT NULL,
    -- With rider_id this is the assignment; one more with every reassignment.
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
    -- Where the rider was when last looked at: have they moved since?
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
    -- When a hold is looked at again.
    until_at       timestamptz,
    policy_version integer     NOT NULL,
    -- [{rider, gate, cost, terms}]: the nearest to being chosen first.
    candidates     jsonb       NOT NULL,
    -- How many more riders were looked at.
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
    -- What the rider was told.
    ready_at    timestamptz NOT NULL,
    sent_at     timestamptz NOT NULL,
    -- In time is what is before this by the database's clock.
    expires_at  timestamptz NOT NULL,
    accepted_at timestamptz,
    -- An accepted offer is an assignment from accepted_at until here: delivered, cancelled, reassigned …
    -- For the others: when they stopped being open.
    ended_at    timestamptz,
    -- Why it was declined, revoked or ended.
    reason      text,
    CHECK ((state = 'accepted') = (accepted_at IS NOT NULL))
);
-- One rider per delivery.
CREATE UNIQUE INDEX offers_one_assignment ON offers (delivery_id) WHERE state = 'accepted' AND ended_at IS NULL;
-- A rider is asked once at a time.
CREATE UNIQUE INDEX offers_one_open ON offers (delivery_id, rider_id) WHERE state = 'sent';
CREATE INDEX offers_of_delivery ON offers (delivery_id, attempt);
CREATE INDEX offers_open ON offers (expires_at) WHERE state = 'sent';
CREATE INDEX offers_open_of_rider ON offers (rider_id) WHERE state = 'sent' OR (state = 'accepted' AND ended_at IS NULL);
