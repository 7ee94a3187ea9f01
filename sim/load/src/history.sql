-- Finished orders number :from + 1 to :to of :all, written directly into the three schemas in their final states, spread over
-- the 23 hours that end an hour ago, so that retention does not delete them.
--
-- This file follows changes of the tables; a test runs it on a platform with a real order.

-- This load is not measured. The rows are consistent, so foreign keys are not checked, to save time.
SET session_replication_role = replica;
SET synchronous_commit = off;

-- UUIDs of version 7 in the order of time, like the platform's own; kind is one digit that makes them distinct.
CREATE OR REPLACE FUNCTION pg_temp.id(kind integer, i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(:base_ms + i * 82800000 / :all), 12, '0') || '7' || lpad(to_hex(i % 4096), 3, '0')
            || '8' || lpad(to_hex(kind), 3, '0') || lpad(to_hex(i), 12, '0'))::uuid
$$;
CREATE OR REPLACE FUNCTION pg_temp.text_id(prefix text, id uuid) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT prefix || '_' || replace(id::text, '-', '')
$$;

-- The last event of an aggregate, published and applied.
CREATE OR REPLACE FUNCTION pg_temp.log(schema text, aggregate text, word text, version integer, source text)
RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
    EXECUTE format(
        'INSERT INTO %1$I.events (event_id, type, aggregate, aggregate_id, version, occurred_at, traceparent, actor, data, tx)
         SELECT event_id, %2$L, %3$L, id, %4$s, at, ''00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'', ''history'', data, ''0''
         FROM (%5$s) AS row',
        schema, aggregate || '.' || word || '.v1', aggregate, version, source);
END $body$;

CREATE TEMP TABLE IF NOT EXISTS slice (
    i bigint, at timestamptz, order_id uuid, quote_id uuid, customer_id uuid, merchant_id uuid, payment_id uuid,
    ticket_id uuid, delivery_id uuid, offer_id uuid, round_id uuid, rider_id uuid, lines jsonb, fees jsonb);
TRUNCATE slice;
INSERT INTO slice
SELECT i, to_timestamp((:base_ms + i * 82800000 / :all) / 1000.0), pg_temp.id(1, i), pg_temp.id(2, i),
       md5('customer' || i % 100000)::uuid, md5('shop' || i % 500)::uuid, pg_temp.id(3, i), pg_temp.id(4, i),
       pg_temp.id(5, i), pg_temp.id(6, i), pg_temp.id(7, i), md5('rider' || i % 2000)::uuid,
       '[{"sku": "meal", "name": "Meal", "quantity": 1, "unit_price": {"amount": 1250, "currency": "EUR"}}]',
       '[{"code": "delivery", "amount": {"amount": 349, "currency": "EUR"}}]'
FROM generate_series((:from + 1)::bigint, :to) AS i;

-- order-svc
INSERT INTO orders.quotes (id, customer_id, merchant_id, merchant_name, zone_id, lines, fees, currency, total, pickup_lat,
                           pickup_lng, dropoff_lat, dropoff_lng, promise_at, expires_at)
SELECT quote_id, customer_id, merchant_id, 'Kitchen', 'bench', lines, fees, 'EUR', 1599, -0.22, -78.51, -0.221, -78.512,
       at + interval '30 min', at + interval '10 min'
FROM slice;
INSERT INTO orders.orders (id, version, state, quote_id, customer_id, merchant_id, merchant_name, zone_id, lines, fees, currency,
                           total, pickup_lat, pickup_lng, dropoff_lat, dropoff_lng, promise_at, ready_at, pin, pin_hash, placed_at)
SELECT order_id, 8, 'delivered', quote_id, customer_id, merchant_id, 'Kitchen', 'bench', lines, fees, 'EUR', 1599, -0.22,
       -78.51, -0.221, -78.512, at + interval '30 min', at + interval '10 min', '4711', md5(i::text) || md5(i::text), at
FROM slice;
INSERT INTO orders.progress (order_id, version, ticket, delivery)
SELECT order_id, 12, json_build_object('state', 'handed_over', 'version', 4), json_build_object('state', 'delivered', 'version', 8)
FROM slice;
INSERT INTO orders.payments (id, version, state, order_id, method, currency, amount)
SELECT payment_id, 3, 'captured', order_id, 'tok_ok', 'EUR', 1599 FROM slice;
INSERT INTO orders.ledger (order_id, kind, payment_id, amount, currency, operation_key, at)
SELECT order_id, kind, payment_id, 1599, 'EUR', payment_id || '-' || kind, at
FROM slice, unnest(ARRAY['authorise', 'capture']) AS kind;
INSERT INTO orders.idempotency (principal, route, key, fingerprint, status, body, created_at)
SELECT 'customer:' || pg_temp.text_id('cus', customer_id), 'POST /v1/orders', 'history-' || i, md5(i::text) || md5(i::text), 201,
       jsonb_build_object('id', pg_temp.text_id('ord', order_id), 'state', 'pending_payment', 'lines', lines), at
FROM slice;
SELECT pg_temp.log('orders', 'order', word, version, $$
    SELECT pg_temp.id($$ || kind || $$, i) AS event_id, order_id AS id, at, jsonb_build_object(
        'id', pg_temp.text_id('ord', order_id), 'version', $$ || version || $$, 'state', '$$ || state || $$',
        'customer_id', pg_temp.text_id('cus', customer_id), 'merchant_id', pg_temp.text_id('mer', merchant_id),
        'merchant_name', 'Kitchen', 'zone_id', 'bench', 'lines', lines, 'total', '{"amount": 1599, "currency": "EUR"}'::jsonb,
        'pickup', '{"lat": -0.22, "lng": -78.51}'::jsonb, 'dropoff', '{"lat": -0.221, "lng": -78.512}'::jsonb,
        'ready_at', at, 'promise_at', at, 'pin_hash', md5(i::text) || md5(i::text), 'reason', NULL, 'placed_at', at) AS data
    FROM slice $$)
FROM (VALUES (11, 'placed', 'pending_payment', 1), (12, 'delivered', 'delivered', 8)) AS e (kind, word, state, version);
INSERT INTO orders.applied (consumer, aggregate, aggregate_id, version)
SELECT 'order.ticket', 'ticket', ticket_id, 4 FROM slice
UNION ALL SELECT 'order.delivery', 'delivery', delivery_id, 8 FROM slice;

-- merchant-svc
INSERT INTO merchant.tickets (id, version, state, order_id, merchant_id, lines, ready_at, opened_at)
SELECT ticket_id, 4, 'handed_over', order_id, merchant_id, lines, at + interval '10 min', at FROM slice;
SELECT pg_temp.log('merchant', 'ticket', 'handed_over', 4, $$
    SELECT pg_temp.id(13, i) AS event_id, ticket_id AS id, at, jsonb_build_object(
        'id', pg_temp.text_id('tkt', ticket_id), 'version', 4, 'state', 'handed_over', 'order_id', pg_temp.text_id('ord', order_id),
        'merchant_id', pg_temp.text_id('mer', merchant_id), 'lines', lines, 'ready_at', at, 'reason', NULL, 'opened_at', at) AS data
    FROM slice $$);
INSERT INTO merchant.idempotency (principal, route, key, fingerprint, status, body, created_at)
SELECT 'merchant:' || pg_temp.text_id('mer', merchant_id), 'POST /v1/merchant/tickets/' || pg_temp.text_id('tkt', ticket_id) || '/accept',
       'history-' || i, md5(i::text) || md5(i::text), 200,
       jsonb_build_object('id', pg_temp.text_id('tkt', ticket_id), 'state', 'accepted', 'lines', lines), at
FROM slice;
INSERT INTO merchant.applied (consumer, aggregate, aggregate_id, version)
SELECT 'merchant.order', 'order', order_id, 8 FROM slice
UNION ALL SELECT 'merchant.delivery', 'delivery', delivery_id, 8 FROM slice;

-- dispatch-svc
INSERT INTO dispatch.riders (id, name, vehicle, speed_mps, capacity, status, version)
SELECT DISTINCT rider_id, 'History', 'bicycle', 5.0, 2, 'offline', 1 FROM slice ON CONFLICT DO NOTHING;
INSERT INTO dispatch.deliveries (id, order_id, merchant_id, merchant_name, zone_id, pickup, dropoff, ready_at, promise_at, pin_hash,
                                 state, version, rider_id, opened_at, state_since, assigned_at, at_pickup_at,
                                 picked_up_at, at_dropoff_at, delivered_at, stated_ready_at)
SELECT delivery_id, order_id, merchant_id, 'Kitchen', 'bench', '{"lat": -0.22, "lng": -78.51}', '{"lat": -0.221, "lng": -78.512}',
       at + interval '10 min', at + interval '30 min', md5(i::text) || md5(i::text), 'delivered', 8, rider_id, at,
       at + interval '25 min', at + interval '5 min', at + interval '10 min', at + interval '11 min', at + interval '24 min',
       at + interval '25 min', at + interval '10 min'
FROM slice;
INSERT INTO dispatch.rounds (id, delivery_id, at, outcome, policy_version, candidates, left_out, policy, steps, took_ms)
SELECT round_id, delivery_id, at, 'offer', 2, '[]', 0, 'horizon', 15, 3 FROM slice;
INSERT INTO dispatch.offers (id, delivery_id, order_id, rider_id, attempt, state, version, round_id, ready_at, sent_at, expires_at,
                             accepted_at, ended_at, reason)
SELECT offer_id, delivery_id, order_id, rider_id, 1, 'accepted', 2, round_id, at + interval '10 min', at, at + interval '20 s',
       at + interval '5 s', at + interval '25 min', 'delivered'
FROM slice;
SELECT pg_temp.log('dispatch', 'delivery', 'delivered', 8, $$
    SELECT pg_temp.id(14, i) AS event_id, delivery_id AS id, at, jsonb_build_object(
        'id', pg_temp.text_id('dlv', delivery_id), 'version', 8, 'state', 'delivered', 'order_id', pg_temp.text_id('ord', order_id),
        'merchant_id', pg_temp.text_id('mer', merchant_id), 'zone_id', 'bench', 'rider_id', pg_temp.text_id('rdr', rider_id),
        'attempt', 1, 'ready_at', at, 'picked_up_at', at, 'delivered_at', at, 'reason', NULL) AS data
    FROM slice $$);
INSERT INTO dispatch.idempotency (principal, route, key, fingerprint, status, body, created_at)
SELECT 'rider:' || pg_temp.text_id('rdr', rider_id), 'POST /v1/rider/deliveries/' || pg_temp.text_id('dlv', delivery_id) || '/delivered',
       'history-' || i, md5(i::text) || md5(i::text), 200,
       jsonb_build_object('id', pg_temp.text_id('dlv', delivery_id), 'state', 'delivered'), at
FROM slice;
INSERT INTO dispatch.applied (consumer, aggregate, aggregate_id, version)
SELECT 'dispatch.order', 'order', order_id, 8 FROM slice;
