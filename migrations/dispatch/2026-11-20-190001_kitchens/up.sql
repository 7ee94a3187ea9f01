-- Do kitchens keep their word? What they said first, and when the food was known to be ready.

ALTER TABLE deliveries
    -- What the shop said first; ready_at is what it says now. Null before this was kept: then that.
    ADD COLUMN stated_ready_at timestamptz,
    -- Since when the shop says that it is ready, if it said so before pickup; null while nobody knows.
    ADD COLUMN ready_seen_at   timestamptz;
