-- Rounds are deleted before their offers. The reason of an offer stays in `offers.why`.
ALTER TABLE offers DROP CONSTRAINT offers_round_id_fkey;
