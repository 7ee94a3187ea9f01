-- The progress of an order is its own narrow thing: an order's row and its full snapshot change only when the order does.

-- The newest ticket and delivery, for whoever watches the order. Versions count from 1 and have an event each.
CREATE TABLE progress (
    order_id uuid PRIMARY KEY,
    version  bigint NOT NULL,
    ticket   json,
    delivery json
) WITH (fillfactor = 50);
INSERT INTO progress (order_id, version, ticket, delivery)
SELECT id, 1, ticket, delivery FROM orders WHERE ticket IS NOT NULL OR delivery IS NOT NULL;
INSERT INTO events (event_id, type, aggregate, aggregate_id, version, actor, data)
SELECT gen_random_uuid(), 'progress.changed.v1', 'progress', order_id, 1, 'migration',
       json_build_object('order_id', 'ord_' || replace(order_id::text, '-', ''), 'version', 1, 'ticket', ticket, 'delivery', delivery)
FROM progress;
ALTER TABLE orders DROP COLUMN ticket, DROP COLUMN delivery;

-- An operation is noted in the transaction that makes it necessary, and marked as asked by the worker that takes it: one
-- that was asked and has no answer is asked about before anything else is done.
ALTER TABLE payments
    ADD COLUMN asked_at timestamptz,
    -- Grows with every taking: a worker whose lock ran out does not write over the one after it.
    ADD COLUMN fence    bigint NOT NULL DEFAULT 0,
    ADD CHECK ((operation IS NULL) = (operation_key IS NULL));
UPDATE payments SET asked_at = clock_timestamp() WHERE operation IS NOT NULL;

-- What is open, and what ended before the door: lists and sweepers never read the rest. Columns of their own, so that a
-- step from one open state to the next touches no index.
ALTER TABLE orders
    ADD COLUMN is_open boolean NOT NULL
        GENERATED ALWAYS AS (state IN ('pending_payment', 'paid', 'accepted', 'ready', 'delivering')) STORED,
    ADD COLUMN has_ended_early boolean NOT NULL
        GENERATED ALWAYS AS (state IN ('rejected', 'expired', 'cancelled', 'failed')) STORED;
DROP INDEX orders_open;
CREATE INDEX orders_open ON orders (id) WHERE is_open;
CREATE INDEX orders_ended_early ON orders (id) WHERE has_ended_early;
ALTER TABLE orders SET (fillfactor = 60);
CREATE INDEX payments_open ON payments (id) WHERE state IN ('initiated', 'authorised', 'unknown');
