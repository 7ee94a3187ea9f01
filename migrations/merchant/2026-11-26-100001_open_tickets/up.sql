-- What is open has an index of its own; a step from one open state to the next does not touch it.
ALTER TABLE tickets ADD COLUMN is_open boolean NOT NULL
    GENERATED ALWAYS AS (state IN ('awaiting_acceptance', 'accepted', 'ready')) STORED;
DROP INDEX tickets_open;
CREATE INDEX tickets_open ON tickets (merchant_id, id) WHERE is_open;
ALTER TABLE tickets SET (fillfactor = 60);
