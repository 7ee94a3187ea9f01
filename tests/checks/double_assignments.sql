-- Deliveries that were assigned to two riders at the same time: the intervals from acceptance to end overlap.
SELECT 'delivery ' || a.delivery_id || ' was with riders ' || a.rider_id || ' and ' || b.rider_id || ' at once' AS detail, 1::bigint AS amount
FROM dispatch.offers a
JOIN dispatch.offers b ON b.delivery_id = a.delivery_id AND b.id > a.id
WHERE a.accepted_at IS NOT NULL AND b.accepted_at IS NOT NULL
  AND tstzrange(a.accepted_at, greatest(coalesce(a.ended_at, 'infinity'), a.accepted_at))
      && tstzrange(b.accepted_at, greatest(coalesce(b.ended_at, 'infinity'), b.accepted_at))
