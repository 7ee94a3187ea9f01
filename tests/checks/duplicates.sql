-- Effects that occurred more than once: orders per idempotency key or quote; payments, tickets and deliveries per order;
-- entries per kind in either ledger.
SELECT 'key ' || idempotency_key || ' was answered with ' || count(DISTINCT order_id) || ' orders' AS detail, 1::bigint AS amount
FROM journal_orders GROUP BY idempotency_key HAVING count(DISTINCT order_id) > 1
UNION ALL
SELECT 'quote ' || quote_id || ' became ' || count(*) || ' orders', 1 FROM orders.orders GROUP BY quote_id HAVING count(*) > 1
UNION ALL
SELECT 'order ' || order_id || ' has ' || count(*) || ' payments', 1 FROM orders.payments GROUP BY order_id HAVING count(*) > 1
UNION ALL
SELECT 'order ' || order_id || ' was booked ' || kind || ' ' || count(*) || ' times', 1
FROM orders.ledger GROUP BY order_id, kind HAVING count(*) > 1
UNION ALL
SELECT 'the gateway did ' || kind || ' of ' || reference || ' ' || count(*) || ' times', 1
FROM gateway_ledger GROUP BY reference, kind HAVING count(*) > 1
UNION ALL
SELECT 'order ' || order_id || ' has ' || count(*) || ' tickets', 1 FROM merchant.tickets GROUP BY order_id HAVING count(*) > 1
UNION ALL
SELECT 'order ' || order_id || ' has ' || count(*) || ' deliveries', 1 FROM dispatch.deliveries GROUP BY order_id HAVING count(*) > 1
