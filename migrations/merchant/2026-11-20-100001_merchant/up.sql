-- merchant-svc: shops, menus, tickets.

CREATE TABLE merchants (
    -- The subject of the shop's tokens. The row is created with the first profile.
    id       uuid PRIMARY KEY,
    version  bigint           NOT NULL,
    status   text             NOT NULL CHECK (status IN ('open', 'paused')),
    name     text             NOT NULL,
    lat      double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
    lng      double precision NOT NULL CHECK (lng BETWEEN -180 AND 180),
    currency text             NOT NULL,
    prep_ms  bigint           NOT NULL CHECK (prep_ms >= 0)
);

-- A menu is part of its shop: a change of it is a new version of the shop and replaces all items.
CREATE TABLE menu_items (
    merchant_id uuid    NOT NULL REFERENCES merchants (id),
    sku         text    NOT NULL,
    -- The item's place in the menu.
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
    -- An order has at most one ticket, however often its events arrive.
    order_id    uuid        NOT NULL UNIQUE,
    -- No foreign key: an order of an unknown shop gets a ticket, too, which is rejected.
    merchant_id uuid        NOT NULL,
    -- The order's lines. A document, because they never change and are not searched.
    lines       jsonb       NOT NULL,
    ready_at    timestamptz,
    reason      text,
    opened_at   timestamptz NOT NULL
);
CREATE INDEX tickets_of_merchant ON tickets (merchant_id, id);
CREATE INDEX tickets_open ON tickets (id) WHERE state IN ('awaiting_acceptance', 'accepted', 'ready');
