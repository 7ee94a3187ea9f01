-- Open orders, tickets, deliveries, offers and payments; unpublished events, overdue timers, and dead letters that are not
-- settled.
SELECT 'order ' || id || ' is ' || state AS detail, 1::bigint AS amount
FROM orders.orders WHERE state IN ('pending_payment', 'paid', 'accepted', 'ready', 'delivering')
UNION ALL
SELECT 'ticket ' || id || ' is ' || state, 1
FROM merchant.tickets WHERE state IN ('awaiting_acceptance', 'accepted', 'ready')
UNION ALL
SELECT 'delivery ' || id || ' is ' || state, 1
FROM dispatch.deliveries WHERE state NOT IN ('delivered', 'returned', 'failed', 'cancelled', 'unassignable')
UNION ALL
SELECT 'offer ' || id || ' is ' || state || CASE state WHEN 'accepted' THEN ' and has not ended' ELSE '' END, 1
FROM dispatch.offers WHERE state = 'sent' OR (state = 'accepted' AND ended_at IS NULL)
UNION ALL
SELECT 'payment of order ' || p.order_id || ' is ' || p.state || coalesce(' with ' || o.kind || ' unanswered', '')
           || coalesce(', to be looked at ' || p.next_attempt_at, ''), 1
FROM orders.payments p LEFT JOIN orders.payment_operations o ON o.payment_id = p.id AND o.answer IS NULL
WHERE p.state IN ('initiated', 'authorised', 'unknown') OR o.key IS NOT NULL OR p.next_attempt_at IS NOT NULL
UNION ALL
SELECT 'event ' || seq || ' (' || type || ') was not published' || coalesce(': ' || last_error, ''), 1
FROM (SELECT e.seq, type, NULL AS last_error FROM orders.events e, orders.relay_cursor WHERE NOT pg_visible_in_snapshot(tx, done)
      UNION ALL SELECT e.seq, type, NULL FROM merchant.events e, merchant.relay_cursor WHERE NOT pg_visible_in_snapshot(tx, done)
      UNION ALL SELECT e.seq, type, NULL FROM dispatch.events e, dispatch.relay_cursor WHERE NOT pg_visible_in_snapshot(tx, done)
      UNION ALL SELECT seq, type, s.last_error FROM orders.set_aside s JOIN orders.events USING (seq)
      UNION ALL SELECT seq, type, s.last_error FROM merchant.set_aside s JOIN merchant.events USING (seq)
      UNION ALL SELECT seq, type, s.last_error FROM dispatch.set_aside s JOIN dispatch.events USING (seq)) e
UNION ALL
SELECT 'timer ' || kind || ' of ' || aggregate || ' ' || aggregate_id || ' was to fire at ' || fire_at || coalesce(': ' || last_error, ''), 1
FROM (SELECT kind, aggregate, aggregate_id, fire_at, last_error FROM orders.timers
      UNION ALL SELECT kind, aggregate, aggregate_id, fire_at, last_error FROM merchant.timers
      UNION ALL SELECT kind, aggregate, aggregate_id, fire_at, last_error FROM dispatch.timers) t
WHERE fire_at < clock_timestamp() - interval '10 s'
UNION ALL
SELECT 'dead letter in ' || queue || ': ' || reason, 1
FROM (SELECT queue, reason, settled_at FROM orders.dead_letters
      UNION ALL SELECT queue, reason, settled_at FROM merchant.dead_letters
      UNION ALL SELECT queue, reason, settled_at FROM dispatch.dead_letters) d
WHERE settled_at IS NULL
