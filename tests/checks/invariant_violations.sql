-- Illegal transitions, version gaps, rows that differ from their events, assignments without an acceptance, contradictory
-- final states, payments that differ from the ledger, tickets and deliveries without an order, copies that are not at the
-- owner's version, and orders that were cancelled at the end of the day although dispatch had given no reason.
WITH log AS (
    SELECT aggregate, aggregate_id, version, data ->> 'state' AS state FROM orders.events
    UNION ALL SELECT aggregate, aggregate_id, version, data ->> 'state' FROM merchant.events
    UNION ALL SELECT aggregate, aggregate_id, version, data ->> 'state' FROM dispatch.events
),
steps AS (
    SELECT aggregate, aggregate_id, version, state,
           lag(version) OVER w AS version_before, lag(state) OVER w AS state_before
    FROM log WINDOW w AS (PARTITION BY aggregate, aggregate_id ORDER BY version)
),
-- The transitions of the services' five lifecycles. A test compares them with the code.
edge (aggregate, a, b) AS (VALUES
-- edges begin
    ('order', 'pending_payment', 'paid'),
    ('order', 'pending_payment', 'expired'),
    ('order', 'pending_payment', 'cancelled'),
    ('order', 'paid', 'accepted'),
    ('order', 'paid', 'rejected'),
    ('order', 'paid', 'expired'),
    ('order', 'paid', 'cancelled'),
    ('order', 'accepted', 'ready'),
    ('order', 'accepted', 'delivering'),
    ('order', 'accepted', 'cancelled'),
    ('order', 'accepted', 'failed'),
    ('order', 'ready', 'delivering'),
    ('order', 'ready', 'cancelled'),
    ('order', 'ready', 'failed'),
    ('order', 'delivering', 'delivered'),
    ('order', 'delivering', 'cancelled'),
    ('order', 'delivering', 'failed'),
    ('payment', 'initiated', 'authorised'),
    ('payment', 'initiated', 'voided'),
    ('payment', 'initiated', 'failed'),
    ('payment', 'initiated', 'unknown'),
    ('payment', 'authorised', 'captured'),
    ('payment', 'authorised', 'voided'),
    ('payment', 'authorised', 'failed'),
    ('payment', 'authorised', 'unknown'),
    ('payment', 'captured', 'partially_refunded'),
    ('payment', 'captured', 'refunded'),
    ('payment', 'captured', 'unknown'),
    ('payment', 'partially_refunded', 'refunded'),
    ('payment', 'partially_refunded', 'unknown'),
    ('payment', 'voided', 'authorised'),
    ('payment', 'voided', 'captured'),
    ('payment', 'failed', 'initiated'),
    ('payment', 'failed', 'captured'),
    ('payment', 'failed', 'voided'),
    ('payment', 'failed', 'unknown'),
    ('payment', 'unknown', 'initiated'),
    ('payment', 'unknown', 'authorised'),
    ('payment', 'unknown', 'captured'),
    ('payment', 'unknown', 'partially_refunded'),
    ('payment', 'unknown', 'refunded'),
    ('payment', 'unknown', 'voided'),
    ('payment', 'unknown', 'failed'),
    ('ticket', 'awaiting_acceptance', 'accepted'),
    ('ticket', 'awaiting_acceptance', 'rejected'),
    ('ticket', 'awaiting_acceptance', 'expired'),
    ('ticket', 'awaiting_acceptance', 'cancelled'),
    ('ticket', 'accepted', 'ready'),
    ('ticket', 'accepted', 'handed_over'),
    ('ticket', 'accepted', 'cancelled'),
    ('ticket', 'ready', 'handed_over'),
    ('ticket', 'ready', 'cancelled'),
    ('ticket', 'cancelled', 'handed_over'),
    ('delivery', 'scheduled', 'searching'),
    ('delivery', 'scheduled', 'cancelled'),
    ('delivery', 'scheduled', 'unassignable'),
    ('delivery', 'searching', 'offered'),
    ('delivery', 'searching', 'cancelled'),
    ('delivery', 'searching', 'unassignable'),
    ('delivery', 'offered', 'searching'),
    ('delivery', 'offered', 'assigned'),
    ('delivery', 'offered', 'cancelled'),
    ('delivery', 'offered', 'unassignable'),
    ('delivery', 'assigned', 'searching'),
    ('delivery', 'assigned', 'at_pickup'),
    ('delivery', 'assigned', 'cancelled'),
    ('delivery', 'at_pickup', 'searching'),
    ('delivery', 'at_pickup', 'picked_up'),
    ('delivery', 'at_pickup', 'cancelled'),
    ('delivery', 'picked_up', 'at_dropoff'),
    ('delivery', 'picked_up', 'returning'),
    ('delivery', 'picked_up', 'failed'),
    ('delivery', 'at_dropoff', 'delivered'),
    ('delivery', 'at_dropoff', 'returning'),
    ('delivery', 'at_dropoff', 'failed'),
    ('delivery', 'returning', 'delivered'),
    ('delivery', 'returning', 'returned'),
    ('delivery', 'returning', 'failed'),
    ('offer', 'sent', 'accepted'),
    ('offer', 'sent', 'declined'),
    ('offer', 'sent', 'expired'),
    ('offer', 'sent', 'revoked')
-- edges end
),
owned AS (
    SELECT 'order' AS aggregate, id, version, state FROM orders.orders
    UNION ALL SELECT 'payment', id, version, state FROM orders.payments
    UNION ALL SELECT 'progress', order_id, version, NULL FROM orders.progress
    UNION ALL SELECT 'merchant', id, version, NULL FROM merchant.merchants
    UNION ALL SELECT 'ticket', id, version, state FROM merchant.tickets
    UNION ALL SELECT 'delivery', id, version, state FROM dispatch.deliveries
    UNION ALL SELECT 'offer', id, version, state FROM dispatch.offers
    UNION ALL SELECT 'rider', id, version, NULL FROM dispatch.riders
    UNION ALL SELECT 'zone', uid, version, NULL FROM dispatch.zones
),
-- Retention deletes all events of aggregates that ended long ago, and all but the newest event of those that never end.
forgotten AS (
    SELECT bool_or(tx <> '0') AS any_is FROM (SELECT tx FROM orders.forgotten_events UNION ALL SELECT tx FROM merchant.forgotten_events
                                              UNION ALL SELECT tx FROM dispatch.forgotten_events) f
),
ended AS (
    SELECT o.id, o.state AS o, t.state AS t, d.state AS d, p.state AS p
    FROM orders.orders o
    LEFT JOIN orders.payments p ON p.order_id = o.id
    LEFT JOIN merchant.tickets t ON t.order_id = o.id
    LEFT JOIN dispatch.deliveries d ON d.order_id = o.id
    WHERE o.state IN ('delivered', 'rejected', 'expired', 'cancelled', 'failed')
)
SELECT 'illegal: ' || aggregate || ' ' || aggregate_id || ' from ' || state_before || ' to ' || state || ' at version ' || version AS detail,
       1::bigint AS amount
FROM steps s
WHERE state_before IS NOT NULL AND state <> state_before
  AND NOT EXISTS (SELECT 1 FROM edge e WHERE e.aggregate = s.aggregate AND e.a = s.state_before AND e.b = s.state)
UNION ALL
SELECT 'gap: ' || aggregate || ' ' || aggregate_id || ' goes from version ' || coalesce(version_before, 0) || ' to ' || version, 1
FROM steps, forgotten WHERE version <> coalesce(version_before, 0) + 1 AND NOT (version_before IS NULL AND any_is)
UNION ALL
SELECT 'unannounced: ' || w.aggregate || ' ' || w.id || ' is at version ' || w.version || ', its log at ' || coalesce(max(l.version), 0), 1
FROM owned w LEFT JOIN log l ON l.aggregate = w.aggregate AND l.aggregate_id = w.id
GROUP BY w.aggregate, w.id, w.version
HAVING max(l.version) IS DISTINCT FROM w.version AND NOT (max(l.version) IS NULL AND (SELECT any_is FROM forgotten))
UNION ALL
SELECT 'contradiction: ' || w.aggregate || ' ' || w.id || ' is ' || w.state || ', its log says ' || coalesce(l.state, 'nothing'), 1
FROM owned w JOIN log l ON l.aggregate = w.aggregate AND l.aggregate_id = w.id AND l.version = w.version
WHERE l.state IS DISTINCT FROM w.state
UNION ALL
SELECT 'assignment: rider ' || d.rider_id || ' has delivery ' || d.id || ', attempt ' || d.attempt || ', and never accepted it', 1
FROM dispatch.deliveries d
WHERE d.rider_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM dispatch.offers o
    WHERE o.delivery_id = d.id AND o.rider_id = d.rider_id AND o.attempt = d.attempt AND o.accepted_at IS NOT NULL)
UNION ALL
SELECT 'end states: order ' || id || ' is ' || o || ', ticket ' || coalesce(t, 'none') || ', delivery ' || coalesce(d, 'none') || ', payment ' || coalesce(p, 'none'), 1
FROM ended
WHERE NOT CASE o
    -- A capture that is refused finally leaves the payment failed and a receivable in the ledger.
    WHEN 'delivered' THEN t = 'handed_over' AND d = 'delivered' AND p IN ('captured', 'failed')
    WHEN 'rejected' THEN t = 'rejected' AND d IS NULL AND p IN ('voided', 'failed')
    -- The shop may have rejected the ticket after the order had expired.
    WHEN 'expired' THEN coalesce(t, 'expired') IN ('expired', 'rejected') AND d IS NULL AND p IN ('voided', 'failed')
    -- Cancelled before acceptance, before pickup, or after pickup. In the last case the food was returned or delivered.
    WHEN 'cancelled' THEN p IN ('voided', 'refunded', 'failed')
        AND (coalesce(t, 'cancelled') = 'cancelled' AND coalesce(d, 'cancelled') = 'cancelled'
             -- An operator cancelled while dispatch gave up: both states remain, and the payment is refunded.
             OR t = 'cancelled' AND d = 'unassignable'
             OR t = 'rejected' AND d IS NULL
             OR t = 'handed_over' AND d IN ('returned', 'delivered', 'failed'))
    WHEN 'failed' THEN p IN ('voided', 'refunded', 'failed')
        AND (t = 'cancelled' AND d = 'unassignable' OR t = 'handed_over' AND d IN ('failed', 'returned'))
    END IS TRUE
UNION ALL
SELECT 'copy: order-svc has shop ' || m.id || ' at version ' || coalesce(c.version, 0) || ', it is at ' || m.version, 1
FROM merchant.merchants m LEFT JOIN orders.merchants c ON c.id = m.id WHERE c.version IS DISTINCT FROM m.version
UNION ALL
SELECT 'copy: order-svc has zone ' || z.id || ' at version ' || coalesce(c.version, 0) || ', it is at ' || z.version, 1
FROM dispatch.zones z LEFT JOIN orders.zones c ON c.id = z.id WHERE c.version IS DISTINCT FROM z.version
UNION ALL
SELECT 'copy: order ' || t.order_id || ' shows its ticket at version ' || coalesce(p.ticket ->> 'version', 'none') || ', it is at ' || t.version, 1
FROM merchant.tickets t LEFT JOIN orders.progress p USING (order_id) WHERE (p.ticket ->> 'version')::bigint IS DISTINCT FROM t.version
UNION ALL
SELECT 'copy: order ' || d.order_id || ' shows its delivery at version ' || coalesce(p.delivery ->> 'version', 'none') || ', it is at ' || d.version, 1
FROM dispatch.deliveries d LEFT JOIN orders.progress p USING (order_id) WHERE (p.delivery ->> 'version')::bigint IS DISTINCT FROM d.version
UNION ALL
SELECT 'payment: order ' || p.order_id || ' is ' || p.state || ', and the ledger has no ' || needs.kind, 1
FROM orders.payments p
-- A payment that was never authorised is voided without an entry.
JOIN (VALUES ('authorised', 'authorise'), ('captured', 'authorise'), ('captured', 'capture'), ('refunded', 'capture'),
             ('refunded', 'refund'), ('voided', 'void')) AS needs (state, kind) ON needs.state = p.state
WHERE NOT EXISTS (SELECT 1 FROM orders.ledger l WHERE l.order_id = p.order_id AND l.kind = needs.kind)
  AND (p.state <> 'voided' OR EXISTS (SELECT 1 FROM orders.ledger l WHERE l.order_id = p.order_id AND l.kind = 'authorise'))
UNION ALL
SELECT 'payment: order ' || o.id || ' was delivered and not paid, and nobody owes it', 1
FROM orders.orders o JOIN orders.payments p ON p.order_id = o.id
WHERE o.state = 'delivered' AND p.state = 'failed'
  AND NOT EXISTS (SELECT 1 FROM orders.ledger l WHERE l.order_id = o.id AND l.kind = 'receivable')
UNION ALL
SELECT 'payment: order ' || o.id || ' costs ' || o.total || ' ' || o.currency || ', its payment is ' || p.amount || ' ' || p.currency, 1
FROM orders.orders o JOIN orders.payments p ON p.order_id = o.id WHERE p.amount <> o.total OR p.currency <> o.currency
UNION ALL
SELECT 'no order: ticket ' || id || ' is of ' || order_id, 1
FROM merchant.tickets t WHERE NOT EXISTS (SELECT 1 FROM orders.orders o WHERE o.id = t.order_id)
UNION ALL
SELECT 'no order: delivery ' || id || ' is of ' || order_id, 1
FROM dispatch.deliveries d WHERE NOT EXISTS (SELECT 1 FROM orders.orders o WHERE o.id = d.order_id)
UNION ALL
SELECT 'tidied up: order ' || c.order_id || ' was cancelled ' || CASE
           WHEN d.id IS NULL THEN 'and dispatch never heard of it'
           ELSE 'and dispatch had said ' || coalesce(r.outcome, 'nothing') || ' about delivery ' || d.id END, 1
FROM tidied_up c
LEFT JOIN dispatch.deliveries d ON d.order_id = c.order_id
LEFT JOIN LATERAL (SELECT outcome FROM dispatch.rounds WHERE delivery_id = d.id ORDER BY id DESC LIMIT 1) r ON true
WHERE d.id IS NULL
   -- Valid reasons: the newest round found no rider or held the order, an offer was open and revoked by the cancellation, or
   -- the search had not started.
   OR NOT (coalesce(r.outcome, 'none') IN ('nobody', 'hold')
           OR EXISTS (SELECT 1 FROM dispatch.offers f WHERE f.delivery_id = d.id AND f.state = 'revoked')
           OR r.outcome IS NULL AND NOT EXISTS (
               SELECT 1 FROM dispatch.events e WHERE e.aggregate = 'delivery' AND e.aggregate_id = d.id AND e.data ->> 'state' = 'searching'))
