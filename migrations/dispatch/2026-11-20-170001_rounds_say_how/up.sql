-- Rounds store how their plan was made. Older rounds were made by `greedy` and were not timed.

ALTER TABLE rounds
    -- The planner that decided: 'horizon', 'greedy'.
    ADD COLUMN policy   text    NOT NULL DEFAULT 'greedy',
    -- Random seed and number of steps of the search. With the same snapshot they give the same plan.
    ADD COLUMN seed     bigint  NOT NULL DEFAULT 0,
    ADD COLUMN steps    integer NOT NULL DEFAULT 0,
    -- Duration of planning, milliseconds.
    ADD COLUMN took_ms  integer NOT NULL DEFAULT 0,
    -- Why 'greedy' decided instead of 'horizon'; null when the zone's planner decided.
    ADD COLUMN fallback text,
    -- Of a hold: the rider of the current plan, who has no offer yet.
    ADD COLUMN planned_rider_id uuid;
