-- What was asked of the payment gateway becomes rows of its own. The state of a payment follows from them, and an answer that
-- comes late has a place to be written to.

CREATE TABLE payment_operations (
    -- The gateway's idempotency key: a definitive refusal ends it, and another attempt has another one.
    key         text PRIMARY KEY,
    payment_id  uuid    NOT NULL REFERENCES payments (id),
    -- Counts the operations of a payment.
    attempt     integer NOT NULL,
    kind        text    NOT NULL CHECK (kind IN ('authorise', 'capture', 'void', 'refund')),
    -- What it is to move, minor units.
    amount      bigint  NOT NULL CHECK (amount >= 0),
    -- The claim of the worker that asked last.
    fence       bigint,
    -- When the gateway was first asked; NULL while that is only intended.
    asked_at    timestamptz,
    -- `not_found`: the gateway does not know it, and it is not wanted any more. `withdrawn`: it was never asked for.
    answer      text CHECK (answer IN ('done', 'refused', 'not_found', 'withdrawn')),
    -- Why it was refused; while there is no answer, why there is none.
    detail      text,
    answered_at timestamptz,
    UNIQUE (payment_id, attempt),
    CHECK ((answer IS NULL) = (answered_at IS NULL))
);
-- One at a time: two workers cannot intend two operations of a payment.
CREATE UNIQUE INDEX payment_operations_open ON payment_operations (payment_id) WHERE answer IS NULL;

-- Operations that took effect are in the ledger.
INSERT INTO payment_operations (key, payment_id, attempt, kind, amount, asked_at, answer, answered_at)
SELECT operation_key, payment_id, row_number() OVER (PARTITION BY payment_id ORDER BY at), kind, amount, at, 'done', at
FROM ledger WHERE kind <> 'receivable';
-- The one that is under way.
INSERT INTO payment_operations (key, payment_id, attempt, kind, amount, fence, asked_at, detail)
SELECT operation_key, id, 1 + (SELECT count(*) FROM payment_operations o WHERE o.payment_id = p.id), operation, amount, fence,
       asked_at, last_error
FROM payments p WHERE operation IS NOT NULL;
-- Refused cards and captures, and authorisations that were never asked for.
INSERT INTO payment_operations (key, payment_id, attempt, kind, amount, asked_at, answer, detail, answered_at)
SELECT 'pay_' || replace(p.id::text, '-', '') || '.before.' || p.attempt, p.id,
       1 + (SELECT count(*) FROM payment_operations o WHERE o.payment_id = p.id),
       CASE WHEN held.key IS NULL THEN 'authorise' ELSE 'capture' END, p.amount,
       CASE WHEN p.state = 'failed' THEN clock_timestamp() END,
       CASE WHEN p.state = 'failed' THEN 'refused' ELSE 'withdrawn' END, p.last_error, clock_timestamp()
FROM payments p
LEFT JOIN payment_operations held ON held.payment_id = p.id AND held.kind = 'authorise' AND held.answer = 'done'
WHERE p.state = 'failed' OR (p.state = 'voided' AND held.key IS NULL);

ALTER TABLE payments
    DROP COLUMN operation,
    DROP COLUMN operation_key,
    DROP COLUMN asked_at,
    -- What was taken and given back, minor units: sums over its operations.
    ADD COLUMN captured bigint NOT NULL DEFAULT 0,
    ADD COLUMN refunded bigint NOT NULL DEFAULT 0;
UPDATE payments p SET captured = done.captured, refunded = done.refunded
FROM (SELECT payment_id, coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0) AS captured,
             coalesce(sum(amount) FILTER (WHERE kind = 'refund'), 0) AS refunded
      FROM payment_operations WHERE answer = 'done' GROUP BY payment_id) AS done
WHERE done.payment_id = p.id AND done.captured + done.refunded > 0;

-- An order may be refunded in parts, so its entries are told apart by their operations.
ALTER TABLE ledger DROP CONSTRAINT ledger_pkey, DROP CONSTRAINT ledger_operation_key_key, ADD PRIMARY KEY (operation_key);
CREATE INDEX ledger_of_order ON ledger (order_id);
ALTER TABLE ledger DROP CONSTRAINT ledger_kind_check,
    ADD CHECK (kind IN ('authorise', 'capture', 'void', 'refund', 'receivable', 'write_off'));

-- How much of what was taken the customer gets back when the order ends without being delivered, percent.
-- Why it did, and what that means for each party, as it was decided then.
ALTER TABLE orders
    ADD COLUMN refund_share smallint NOT NULL DEFAULT 100 CHECK (refund_share BETWEEN 0 AND 100),
    ADD COLUMN who_pays jsonb;

-- Programs before this would write operations into columns that are gone.
UPDATE schema_floor SET version = greatest(version, '20261128100001');
