-- At the end of the day, before open orders are cancelled: records that do not advance without a reason. A delivery may wait
-- while recent dispatch rounds find no rider; a delivery that is assigned to a rider is in progress.
WITH told AS (
    SELECT aggregate_id AS id, max(occurred_at) AS at FROM orders.events WHERE type = 'order.accepted.v1' GROUP BY 1
),
looked AS (
    SELECT DISTINCT ON (delivery_id) delivery_id, at, until_at FROM dispatch.rounds ORDER BY delivery_id, id DESC
)
SELECT 'order ' || id || ' is ' || state || ' since ' || placed_at AS detail, 1::bigint AS amount
FROM orders.orders WHERE state IN ('pending_payment', 'paid') AND placed_at < clock_timestamp() - interval '60 s'
UNION ALL
SELECT 'order ' || o.id || ' is ' || o.state || ' and has no delivery', 1
FROM orders.orders o JOIN told USING (id) LEFT JOIN dispatch.deliveries d ON d.order_id = o.id
WHERE o.state IN ('accepted', 'ready') AND d.id IS NULL AND told.at < clock_timestamp() - interval '60 s'
UNION ALL
SELECT 'delivery ' || d.id || ' is ' || d.state || ', last looked at ' || coalesce(l.at::text, 'never'), 1
FROM dispatch.deliveries d LEFT JOIN looked l ON l.delivery_id = d.id
WHERE d.state = 'searching'
  AND coalesce(greatest(l.at, l.until_at, d.state_since), d.state_since) < clock_timestamp() - interval '30 s'
UNION ALL
SELECT 'delivery ' || id || ' is scheduled, and nobody is to look for a rider', 1
FROM dispatch.deliveries d
WHERE state = 'scheduled' AND NOT EXISTS (SELECT 1 FROM dispatch.timers t WHERE t.aggregate_id = d.id AND t.kind = 'search')
UNION ALL
SELECT 'offer ' || id || ' ran out at ' || expires_at || ' and is ' || state, 1
FROM dispatch.offers WHERE state = 'sent' AND expires_at < clock_timestamp() - interval '30 s'
UNION ALL
SELECT 'ticket ' || t.id || ' is ' || t.state || ', its order ' || o.state, 1
FROM merchant.tickets t JOIN orders.orders o ON o.id = t.order_id
JOIN (SELECT aggregate_id AS id, max(occurred_at) AS at FROM orders.events WHERE aggregate = 'order' GROUP BY 1) newest ON newest.id = o.id
WHERE t.state IN ('awaiting_acceptance', 'accepted', 'ready')
  AND o.state IN ('delivered', 'rejected', 'expired', 'cancelled', 'failed') AND newest.at < clock_timestamp() - interval '30 s'
UNION ALL
SELECT 'payment of order ' || order_id || ' was to be looked at ' || next_attempt_at, 1
FROM orders.payments WHERE next_attempt_at < clock_timestamp() - interval '60 s'
UNION ALL
SELECT 'event ' || seq || ' (' || type || ') of ' || occurred_at || ' was not published', 1
FROM (SELECT e.seq, type, occurred_at FROM orders.events e, orders.relay_cursor WHERE NOT pg_visible_in_snapshot(tx, done)
      UNION ALL SELECT e.seq, type, occurred_at FROM merchant.events e, merchant.relay_cursor WHERE NOT pg_visible_in_snapshot(tx, done)
      UNION ALL SELECT e.seq, type, occurred_at FROM dispatch.events e, dispatch.relay_cursor WHERE NOT pg_visible_in_snapshot(tx, done)) e
WHERE occurred_at < clock_timestamp() - interval '30 s'
UNION ALL
SELECT 'timer ' || kind || ' of ' || aggregate || ' ' || aggregate_id || ' was to fire at ' || fire_at, 1
FROM (SELECT kind, aggregate, aggregate_id, fire_at FROM orders.timers
      UNION ALL SELECT kind, aggregate, aggregate_id, fire_at FROM merchant.timers
      UNION ALL SELECT kind, aggregate, aggregate_id, fire_at FROM dispatch.timers) t
WHERE fire_at < clock_timestamp() - interval '30 s'
