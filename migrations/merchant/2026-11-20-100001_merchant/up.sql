-- merchant-svc: shops, what they sell, and the kitchen's side of every order.

CREATE TABLE merchants (
    -- The subject of the shop's tokens: a shop exists once its first profile is put.
    id       uuid PRIMARY KEY,
    version  bigint           NOT NULL,
    status   text             NOT NULL CHECK (status IN ('open', 'paused')),
    name     text             NOT NULL,
    lat      double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lng      double precision NOT NULL CHECK (lng BETWEEN -180 AND 180),
    currency text             NOT NULL,
    prep_ms  bigint           NOT NULL CHECK (prep_ms >= 0)
);

-- A menu is part of its shop: it changes with the shop's version, and is replaced as a whole.
CREATE TABLE menu_items (
    merchant_id uuid    NOT NULL REFERENCES merchants (id),
    sku         text    NOT NULL,
    -- As the shop sorted them.
    sort        integer NOT NULL,
    name        text    NOT NULL,
    -- Minor units of the shop's currency.
    price       bigint  NOT NULL CHECK (price >= 0),
    available   boolean NOT NULL,
    PRIMARY KEY (merchant_id, sku)
);

CREATE TABLE tickets (
    id          uuid PRIMARY KEY,
    version     bigint      NOT NULL,
    state       text        NOT NULL CHECK (state IN ('awaiting_acceptance', 'accepted', 'ready', 'handed_over',
                                                      'rejected', 'expired', 'cancelled')),
    -- An order has at most one ticket, however often its news comes.
    order_id    uuid        NOT NULL UNIQUE,
    -- No foreign key: an order for a shop that we do not know gets a ticket too, and is rejected.
    merchant_id uuid        NOT NULL,
    -- As ordered; never changed, never searched by article: a document, not a table.
    lines       jsonb       NOT NULL,
    ready_at    timestamptz,
    reason      text,
    opened_at   timestamptz NOT NULL
);
CREATE INDEX tickets_of_merchant ON tickets (merchant_id, id);
CREATE INDEX tickets_open ON tickets (id) WHERE state IN ('awaiting_acceptance', 'accepted', 'ready');
