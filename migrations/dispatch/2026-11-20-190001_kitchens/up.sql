-- For the estimate of ready times: what the shop said first, and when the food was ready.

ALTER TABLE deliveries
    -- The shop's first ready time; `ready_at` is its newest. Null for deliveries from before this column.
    ADD COLUMN stated_ready_at timestamptz,
    -- When the shop marked the food as ready, if it did before pickup.
    ADD COLUMN ready_seen_at   timestamptz;
