-- Old rows are deleted after a time.

-- When the version was applied.
ALTER TABLE applied ADD COLUMN at timestamptz NOT NULL DEFAULT now();
ALTER TABLE applied ALTER COLUMN at SET DEFAULT clock_timestamp();

-- The newest transaction of which events are deleted. A stream that resumes from before it starts with the present.
CREATE TABLE forgotten_events (one boolean PRIMARY KEY DEFAULT true CHECK (one), tx xid8 NOT NULL);
INSERT INTO forgotten_events (tx) VALUES ('0');
