-- One order from tap to door and one that is being offered, as the services left them before the log was written once. `$order` and the like are ids that the test puts in.

-- Versions 1..n of one aggregate, published; NULL for what has no state.
CREATE FUNCTION pg_temp.log(schema text, aggregate text, id uuid, VARIADIC states text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO %1$I.events (event_id, type, aggregate, aggregate_id, version, actor, data, subscribed, position, published_at)
         SELECT gen_random_uuid(), $1 || ''.changed.v1'', $1, $2, n, ''test'', jsonb_build_object(''state'', state), true,
                (SELECT coalesce(max(position), 0) FROM %1$I.events) + n, now()
         FROM unnest($3) WITH ORDINALITY AS step (state, n)', schema) USING aggregate, id, states;
END $$;

INSERT INTO dispatch.zones VALUES ('test', $zone, 'Test', '[]', '{}', 1);
INSERT INTO orders.zones VALUES ('test', 1, '[]', '{}');
INSERT INTO merchant.merchants VALUES ($merchant, 1, 'open', 'Shop', 52.5, 13.4, 'EUR', 60000);
INSERT INTO orders.merchants VALUES ($merchant, 1, 'Shop', 52.5, 13.4, 'EUR', 60000, 'open', '[]');
INSERT INTO dispatch.riders (id, name, vehicle, speed_mps, capacity, status, version)
VALUES ($rider, 'R', 'bicycle', 5, 2, 'available', 1);
SELECT pg_temp.log('dispatch', 'zone', $zone, NULL), pg_temp.log('merchant', 'merchant', $merchant, NULL),
       pg_temp.log('dispatch', 'rider', $rider, NULL);

INSERT INTO orders.orders VALUES
    ($order, 8, 'delivered', NULL, $quote, $customer, $merchant, 'Shop', 'test', '[]', '[]', 'EUR', 1500, 52.5, 13.4, 52.5, 13.5,
     now(), now(), '1234', 'hash', NULL, now(), '{"state": "handed_over", "version": 4}', '{"state": "delivered", "version": 8}');
SELECT pg_temp.log('orders', 'order', $order,
    'pending_payment', 'paid', 'paid', 'accepted', 'accepted', 'ready', 'delivering', 'delivered');
INSERT INTO orders.payments (id, version, state, order_id, method, currency, amount)
VALUES ($payment, 3, 'captured', $order, 'tok_ok', 'EUR', 1500);
SELECT pg_temp.log('orders', 'payment', $payment, 'initiated', 'authorised', 'captured');
INSERT INTO orders.ledger VALUES ($order, 'authorise', $payment, 1500, 'EUR', 'authorise-1'),
                                 ($order, 'capture', $payment, 1500, 'EUR', 'capture-1');

INSERT INTO merchant.tickets VALUES ($ticket, 4, 'handed_over', $order, $merchant, '[]', now(), NULL, now());
SELECT pg_temp.log('merchant', 'ticket', $ticket, 'awaiting_acceptance', 'accepted', 'ready', 'handed_over');

INSERT INTO dispatch.deliveries (id, order_id, merchant_id, merchant_name, zone_id, pickup, dropoff, ready_at, promise_at, pin_hash,
    state, version, order_version, rider_id, opened_at, state_since)
VALUES ($delivery, $order, $merchant, 'Shop', 'test', '{}', '{}', now(), now(), 'hash', 'delivered', 8, 8, $rider, now(), now());
SELECT pg_temp.log('dispatch', 'delivery', $delivery,
    'scheduled', 'searching', 'offered', 'assigned', 'at_pickup', 'picked_up', 'at_dropoff', 'delivered');
INSERT INTO dispatch.rounds VALUES ($round, $delivery, now(), 'offer', NULL, NULL, 1, '[]', 0);
-- Carried from twelve to one o'clock.
INSERT INTO dispatch.offers VALUES ($offer, $delivery, $order, $rider, 1, 'accepted', 2, $round, now(),
    '2026-11-20 11:59Z', '2026-11-20 12:00:20Z', '2026-11-20 12:00Z', '2026-11-20 13:00Z', NULL);
SELECT pg_temp.log('dispatch', 'offer', $offer, 'sent', 'accepted');
INSERT INTO orders.applied VALUES ('order.ticket', 'ticket', $ticket, 4), ('order.merchant', 'merchant', $merchant, 1),
    ('order.delivery', 'delivery', $delivery, 8), ('order.zone', 'zone', $zone, 1);

-- The broker has not had this one yet.
UPDATE orders.events SET published_at = NULL, attempts = 3, last_error = 'returned' WHERE aggregate = 'order' AND version = 8;
INSERT INTO orders.idempotency VALUES ('customer:x', 'POST /v1/orders', 'begun', 'f', NULL, NULL), ('customer:x', 'POST /v1/orders', 'done', 'f', 201, '{"id": 1}');

-- A rider is asked.
INSERT INTO dispatch.deliveries (id, order_id, merchant_id, merchant_name, zone_id, pickup, dropoff, ready_at, promise_at, pin_hash,
    state, version, order_version, rider_id, opened_at, state_since)
VALUES ($other, $another, $merchant, 'Shop', 'test', '{}', '{}', now(), now(), 'hash', 'offered', 3, 4, NULL, now(), now());
INSERT INTO dispatch.offers
SELECT $another, $other, $another, rider_id, 1, 'sent', 1, round_id, now(), now(), now() + interval '20 s', NULL, NULL, NULL
FROM dispatch.offers;
