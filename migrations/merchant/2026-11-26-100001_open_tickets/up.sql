-- Open tickets have an index of their own, which a change between two open states does not touch.
ALTER TABLE tickets ADD COLUMN is_open boolean NOT NULL
    GENERATED ALWAYS AS (state IN ('awaiting_acceptance', 'accepted', 'ready')) STORED;
DROP INDEX tickets_open;
CREATE INDEX tickets_open ON tickets (merchant_id, id) WHERE is_open;
ALTER TABLE tickets SET (fillfactor = 60);
