-- Which programs may run on this schema. A migration that takes away what older programs use (a column, a table, a meaning)
-- raises the floor to its own version in the same transaction:
--     UPDATE schema_floor SET version = greatest(version, '20261201100001');
-- `greatest`, because migrations of the platform and of the service are not applied in the order of their versions.
-- A program that does not know that migration refuses to start. Migrations that only add leave it as it is.
CREATE TABLE schema_floor (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version text NOT NULL CHECK (version ~ '^[0-9]{14}$')
);
INSERT INTO schema_floor (version) VALUES ('20261120000001');
