-- Offers outlive the rounds that made them: what a rider answered stays, and why they were asked is in `offers.why`.
ALTER TABLE offers DROP CONSTRAINT offers_round_id_fkey;
