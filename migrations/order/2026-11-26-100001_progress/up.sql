-- Progress becomes an aggregate of its own, so that events of ticket and delivery do not change the order's row.

-- The newest snapshots of ticket and delivery, for streams of the order. Every version has an event.
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

-- An operation is stored in the transaction that makes it necessary. The worker that takes it sets `asked_at`. If it has
-- no answer after that, the gateway is asked for its result before anything else.
ALTER TABLE payments
    ADD COLUMN asked_at timestamptz,
    -- Grows whenever a worker takes the payment. A worker whose lock has expired cannot overwrite its successor's result.
    ADD COLUMN fence    bigint NOT NULL DEFAULT 0,
    ADD CHECK ((operation IS NULL) = (operation_key IS NULL));
UPDATE payments SET asked_at = clock_timestamp() WHERE operation IS NOT NULL;

-- Open orders, and orders that ended without delivery, have indexes of their own for lists and sweepers. The conditions are
-- columns, so that a change between two open states touches no index.
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
