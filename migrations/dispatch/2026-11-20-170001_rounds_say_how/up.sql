-- A round says how its plan was made. Rounds from before this were all made by `greedy`, and nobody timed them.

ALTER TABLE rounds
    -- Who decided: 'horizon', 'greedy'.
    ADD COLUMN policy   text    NOT NULL DEFAULT 'greedy',
    -- Where the dice of the search started, and how many steps it took: with the snapshot they give the same plan again.
    ADD COLUMN seed     bigint  NOT NULL DEFAULT 0,
    ADD COLUMN steps    integer NOT NULL DEFAULT 0,
    -- From the question to the answer, milliseconds.
    ADD COLUMN took_ms  integer NOT NULL DEFAULT 0,
    -- Why 'greedy' decided where 'horizon' was asked; null when who was asked decided.
    ADD COLUMN fallback text,
    -- Who is to carry it as things stand: nobody else hears of it before they are asked.
    ADD COLUMN planned_rider_id uuid;
