-- Acknowledged orders that are not stored, orders whose events do not have all versions 1..n, acknowledged states that are
-- not in the events, and events that a subscriber has not applied.
SELECT 'order ' || j.order_id || ' was acknowledged and is not there' AS detail, 1::bigint AS amount
FROM (SELECT DISTINCT order_id FROM journal_orders) j
LEFT JOIN orders.orders o ON o.id = j.order_id
WHERE o.id IS NULL
UNION ALL
SELECT 'order ' || o.id || ' is at version ' || o.version || ', its log has ' || count(e.version) || ' up to '
           || coalesce(max(e.version)::text, 'none'), 1
FROM orders.orders o
LEFT JOIN orders.events e ON e.aggregate = 'order' AND e.aggregate_id = o.id
GROUP BY o.id, o.version
HAVING (count(e.version) <> o.version OR max(e.version) IS DISTINCT FROM o.version)
    -- Retention deletes all events of an order that ended long ago.
    AND NOT (count(e.version) = 0 AND EXISTS (SELECT 1 FROM orders.forgotten_events WHERE tx <> '0'))
UNION ALL
SELECT a.aggregate || ' ' || a.aggregate_id || ' was acknowledged as ' || a.state || ', and its log never says so', 1
FROM (SELECT DISTINCT aggregate, aggregate_id, state FROM acknowledged) a
WHERE NOT EXISTS (
    SELECT 1 FROM (SELECT aggregate, aggregate_id, data FROM orders.events
                   UNION ALL SELECT aggregate, aggregate_id, data FROM merchant.events
                   UNION ALL SELECT aggregate, aggregate_id, data FROM dispatch.events) e
    WHERE e.aggregate = a.aggregate AND e.aggregate_id = a.aggregate_id AND e.data ->> 'state' = a.state)
UNION ALL
SELECT s.queue || ' applied ' || s.aggregate || ' ' || e.aggregate_id || ' up to version ' || coalesce(a.version, 0)
           || ', and was told version ' || e.version, 1
FROM subscriptions s
JOIN LATERAL (
    SELECT aggregate_id, max(version) AS version
    FROM (SELECT aggregate, aggregate_id, version, type FROM orders.events
          UNION ALL SELECT aggregate, aggregate_id, version, type FROM merchant.events
          UNION ALL SELECT aggregate, aggregate_id, version, type FROM dispatch.events) e
    WHERE e.aggregate = s.aggregate AND e.type LIKE ANY (s.types) GROUP BY aggregate_id
) e ON true
LEFT JOIN (SELECT * FROM orders.applied UNION ALL SELECT * FROM merchant.applied UNION ALL SELECT * FROM dispatch.applied) a
    ON a.consumer = s.queue AND a.aggregate = s.aggregate AND a.aggregate_id = e.aggregate_id
WHERE coalesce(a.version, 0) < e.version
