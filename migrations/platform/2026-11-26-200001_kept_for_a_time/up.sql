-- What nobody asks for any more is forgotten after a time.

-- When a foreign aggregate was last heard of. News that is newer than this is newer than whatever was applied.
ALTER TABLE applied ADD COLUMN at timestamptz NOT NULL DEFAULT now();
ALTER TABLE applied ALTER COLUMN at SET DEFAULT clock_timestamp();

-- The newest transaction whose events have been forgotten: a stream that wants to go on from before it begins anew.
CREATE TABLE forgotten_events (one boolean PRIMARY KEY DEFAULT true CHECK (one), tx xid8 NOT NULL);
INSERT INTO forgotten_events (tx) VALUES ('0');
