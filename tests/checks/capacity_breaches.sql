-- Riders with more orders than their capacity at the time of an acceptance: the number of assignments that overlap it. Also
-- riders whose counter of active orders differs from their open assignments.
WITH room AS (
    -- The capacity in the rider's events at that time; before the first such event, that event's.
    SELECT a.id, coalesce(
        (SELECT (e.data ->> 'capacity')::int FROM dispatch.events e
         WHERE e.aggregate = 'rider' AND e.aggregate_id = a.rider_id AND e.data ->> 'capacity' IS NOT NULL AND e.occurred_at <= a.accepted_at
         ORDER BY e.version DESC LIMIT 1),
        (SELECT (e.data ->> 'capacity')::int FROM dispatch.events e
         WHERE e.aggregate = 'rider' AND e.aggregate_id = a.rider_id AND e.data ->> 'capacity' IS NOT NULL ORDER BY e.version LIMIT 1),
        r.capacity) AS capacity
    FROM dispatch.offers a JOIN dispatch.riders r ON r.id = a.rider_id WHERE a.accepted_at IS NOT NULL
)
SELECT 'rider ' || a.rider_id || ' had ' || count(*) || ' orders at ' || a.accepted_at || ', room for ' || r.capacity AS detail, 1::bigint AS amount
FROM dispatch.offers a
JOIN room r ON r.id = a.id
JOIN dispatch.offers b ON b.rider_id = a.rider_id AND b.accepted_at IS NOT NULL
    AND b.accepted_at <= a.accepted_at AND coalesce(b.ended_at, 'infinity') > a.accepted_at
WHERE a.accepted_at IS NOT NULL
GROUP BY a.id, a.rider_id, a.accepted_at, r.capacity
HAVING count(*) > r.capacity
UNION ALL
SELECT 'rider ' || r.id || ' counts ' || r.active || ' orders and has ' || count(o.id), 1
FROM dispatch.riders r
LEFT JOIN dispatch.offers o ON o.rider_id = r.id AND o.state = 'accepted' AND o.ended_at IS NULL
GROUP BY r.id, r.active
HAVING r.active <> count(o.id)
