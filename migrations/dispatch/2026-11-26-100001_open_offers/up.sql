-- A rider near a border is seen by the dispatchers of several zones: what they have and what they are asked together
-- never exceeds what they can carry, whoever asks.

ALTER TABLE riders ADD COLUMN open_offers integer NOT NULL DEFAULT 0;
UPDATE riders r SET open_offers = least(n, capacity - active)
FROM (SELECT rider_id, count(*) AS n FROM offers WHERE state = 'sent' GROUP BY rider_id) o WHERE o.rider_id = r.id;
ALTER TABLE riders
    ADD CHECK (open_offers >= 0),
    ADD CONSTRAINT riders_not_over_asked CHECK (active + open_offers <= capacity);

-- Why a rider was asked, told with the offer.
ALTER TABLE offers ADD COLUMN why text;

-- The newest version of the order that was read is in `applied`.
ALTER TABLE deliveries DROP COLUMN order_version;

-- What is open has an index of its own; a step from one open state to the next does not touch it.
ALTER TABLE deliveries ADD COLUMN is_open boolean NOT NULL
    GENERATED ALWAYS AS (state NOT IN ('delivered', 'returned', 'failed', 'cancelled', 'unassignable')) STORED;
DROP INDEX deliveries_open;
CREATE INDEX deliveries_open ON deliveries (zone_id, id) WHERE is_open;
ALTER TABLE deliveries SET (fillfactor = 50);
