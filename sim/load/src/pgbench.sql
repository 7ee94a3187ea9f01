-- The transaction of the bare loop, for pgbench.
SELECT gen_random_uuid() AS id \gset
BEGIN;
INSERT INTO orders (id, version, state, quote_id, customer_id, merchant_id, merchant_name, zone_id, lines, fees, currency, total,
                    pickup_lat, pickup_lng, dropoff_lat, dropoff_lng, promise_at, pin, pin_hash, placed_at)
VALUES (:id::uuid, 1, 'pending_payment', :id::uuid, :id::uuid, :id::uuid, 'Kitchen', 'bench',
        '[{"sku": "meal", "name": "Meal", "quantity": 1, "unit_price": {"amount": 1250, "currency": "EUR"}}]',
        '[{"code": "delivery", "amount": {"amount": 349, "currency": "EUR"}}]', 'EUR', 1599, -0.22, -78.51, -0.22, -78.51, now(),
        '4711', repeat('9f86d081', 8), now());
INSERT INTO payments (id, version, state, order_id, method, currency, amount, next_attempt_at)
VALUES (gen_random_uuid(), 1, 'initiated', :id::uuid, 'tok_ok', 'EUR', 1599, now());
INSERT INTO events (event_id, type, aggregate, aggregate_id, version, actor, data)
SELECT gen_random_uuid(), aggregate || '.placed.v1', aggregate, :id::uuid, 1, 'customer',
       jsonb_build_object('id', aggregate, 'state', 'pending_payment', 'hash', repeat('9f86d081', 8), 'more', repeat('x', 600))
FROM unnest(ARRAY['order', 'payment']) AS aggregate;
INSERT INTO timers (aggregate, aggregate_id, kind, fire_at) VALUES ('order', :id::uuid, 'payment', now() + interval '15 min');
INSERT INTO idempotency (principal, route, key, fingerprint, status, body)
VALUES ('customer', 'POST /v1/orders', :id::text, repeat('9f86d081', 8), 201, jsonb_build_object('more', repeat('x', 800)));
COMMIT;
