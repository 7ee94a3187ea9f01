-- The dispatchers of several zones can offer to the same rider. Accepted and open offers together must not exceed the
-- rider's capacity.

ALTER TABLE riders ADD COLUMN open_offers integer NOT NULL DEFAULT 0;
UPDATE riders r SET open_offers = least(n, capacity - active)
FROM (SELECT rider_id, count(*) AS n FROM offers WHERE state = 'sent' GROUP BY rider_id) o WHERE o.rider_id = r.id;
ALTER TABLE riders
    ADD CHECK (open_offers >= 0),
    ADD CONSTRAINT riders_not_over_asked CHECK (active + open_offers <= capacity);

-- Why the rider was chosen, as text, shown with the offer.
ALTER TABLE offers ADD COLUMN why text;

-- The newest applied version of the order is in `applied`.
ALTER TABLE deliveries DROP COLUMN order_version;

-- Open deliveries have an index of their own, which a change between two open states does not touch.
ALTER TABLE deliveries ADD COLUMN is_open boolean NOT NULL
    GENERATED ALWAYS AS (state NOT IN ('delivered', 'returned', 'failed', 'cancelled', 'unassignable')) STORED;
DROP INDEX deliveries_open;
CREATE INDEX deliveries_open ON deliveries (zone_id, id) WHERE is_open;
ALTER TABLE deliveries SET (fillfactor = 50);
