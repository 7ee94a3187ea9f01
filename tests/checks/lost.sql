-- Acknowledged orders without a row, or without every version 1..n in the log.
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
HAVING count(e.version) <> o.version OR max(e.version) IS DISTINCT FROM o.version
