-- Differences between order-svc's ledger and the gateway's by entry, in minor units. Receivables are only in order-svc's.
SELECT coalesce(ours.operation_key, theirs.operation_key) || ': ours ' || coalesce(ours.amount::text, 'none')
           || ', the gateway''s ' || coalesce(theirs.amount::text, 'none') AS detail,
       CASE WHEN ours.amount IS NULL OR theirs.amount IS NULL OR ours.currency <> theirs.currency OR ours.kind <> theirs.kind
            -- An entry on one side only counts with its whole amount, at least 1.
            THEN greatest(coalesce(ours.amount, 0) + coalesce(theirs.amount, 0), 1)
            ELSE abs(ours.amount - theirs.amount) END::bigint AS amount
FROM (SELECT * FROM orders.ledger WHERE kind <> 'receivable') ours
FULL OUTER JOIN gateway_ledger theirs ON theirs.operation_key = ours.operation_key
WHERE ours.amount IS DISTINCT FROM theirs.amount OR ours.currency IS DISTINCT FROM theirs.currency OR ours.kind IS DISTINCT FROM theirs.kind
