-- Our ledger against the gateway's, entry by entry, in minor units. What the gateway owes us is no entry of its.
SELECT coalesce(ours.operation_key, theirs.operation_key) || ': ours ' || coalesce(ours.amount::text, 'none')
           || ', the gateway''s ' || coalesce(theirs.amount::text, 'none') AS detail,
       CASE WHEN ours.amount IS NULL OR theirs.amount IS NULL OR ours.currency <> theirs.currency OR ours.kind <> theirs.kind
            -- An entry on one side only counts in full, and never as nothing.
            THEN greatest(coalesce(ours.amount, 0) + coalesce(theirs.amount, 0), 1)
            ELSE abs(ours.amount - theirs.amount) END::bigint AS amount
FROM (SELECT * FROM orders.ledger WHERE kind <> 'receivable') ours
FULL OUTER JOIN gateway_ledger theirs ON theirs.operation_key = ours.operation_key
WHERE ours.amount IS DISTINCT FROM theirs.amount OR ours.currency IS DISTINCT FROM theirs.currency OR ours.kind IS DISTINCT FROM theirs.kind
