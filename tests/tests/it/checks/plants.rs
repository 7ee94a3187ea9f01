//! Every violation that a check can find, and similar data that is no violation.

/// One change to a healthy database, and how many violations its check then finds.
pub struct Plant {
    pub check: &'static str,
    pub what: &'static str,
    pub sql: &'static str,
    pub amount: i64,
}

const fn plant(check: &'static str, amount: i64, what: &'static str, sql: &'static str) -> Plant {
    Plant { check, what, sql, amount }
}

pub const PLANTS: &[Plant] = &[
    plant("stuck", 1, "an order that waits for its rider", "UPDATE orders.orders SET state = 'ready'"),
    plant("stuck", 1, "a ticket that rings", "UPDATE merchant.tickets SET state = 'awaiting_acceptance'"),
    plant("stuck", 1, "a delivery on the road", "UPDATE dispatch.deliveries SET state = 'at_dropoff'"),
    plant("stuck", 0, "a delivery that came back", "UPDATE dispatch.deliveries SET state = 'returned'"),
    plant(
        "stuck",
        1,
        "an offer without an answer",
        "UPDATE dispatch.offers SET state = 'sent', accepted_at = NULL, ended_at = NULL",
    ),
    plant("stuck", 1, "an assignment without an end", "UPDATE dispatch.offers SET ended_at = NULL"),
    plant("stuck", 1, "money held for an order that is over", "UPDATE orders.payments SET state = 'authorised'"),
    plant("stuck", 1, "a payment with an unknown result", "UPDATE orders.payments SET state = 'unknown'"),
    plant("stuck", 1, "an unanswered operation", "INSERT INTO orders.payment_operations (key, payment_id, attempt, kind, amount) SELECT 'k', id, 99, 'refund', 1 FROM orders.payments LIMIT 1"),
    plant("stuck", 1, "a payment with a next attempt", "UPDATE orders.payments SET next_attempt_at = now() + interval '1 h'"),
    plant("stuck", 0, "a payment that was refused", "UPDATE orders.payments SET state = 'failed'"),
    plant(
        "stuck",
        3,
        "an unpublished event in each service",
        "UPDATE orders.events SET tx = pg_current_xact_id() WHERE aggregate = 'order' AND version = 3;
         UPDATE merchant.events SET tx = pg_current_xact_id() WHERE aggregate = 'merchant';
         UPDATE dispatch.events SET tx = pg_current_xact_id() WHERE aggregate = 'zone'",
    ),
    plant(
        "stuck",
        1,
        "an event that was set aside",
        "INSERT INTO orders.set_aside (seq, last_error) SELECT min(seq), 'returned' FROM orders.events",
    ),
    plant(
        "stuck",
        3,
        "a timer that did not fire, in each service",
        "INSERT INTO orders.timers VALUES ('order', $order, 'acceptance', now() - interval '11 s');
         INSERT INTO merchant.timers VALUES ('ticket', $ticket, 'ring', now() - interval '11 s');
         INSERT INTO dispatch.timers VALUES ('delivery', $delivery, 'give_up', now() - interval '11 s')",
    ),
    plant(
        "stuck",
        0,
        "timers that are due now, or later",
        "INSERT INTO orders.timers VALUES ('order', $order, 'acceptance', now() - interval '1 s');
         INSERT INTO dispatch.timers VALUES ('delivery', $delivery, 'give_up', now() + interval '1 h')",
    ),
    plant(
        "stuck",
        3,
        "a dead letter in each service",
        "INSERT INTO orders.dead_letters (id, queue, reason, body, headers) VALUES ($other, 'order.ticket', 'poison', 'x', '{}');
         INSERT INTO merchant.dead_letters (id, queue, reason, body, headers) VALUES ($other, 'merchant.order', 'poison', 'x', '{}');
         INSERT INTO dispatch.dead_letters (id, queue, reason, body, headers) VALUES ($other, 'dispatch.order', 'poison', 'x', '{}')",
    ),
    plant(
        "stuck",
        0,
        "a dead letter that is settled",
        "INSERT INTO orders.dead_letters (id, queue, reason, body, headers, settled_at, outcome)
         VALUES ($other, 'order.ticket', 'poison', 'x', '{}', now(), 'obsolete')",
    ),
    plant("duplicates", 1, "one key, two orders", "INSERT INTO journal_orders VALUES ('key-1', $other)"),
    plant("duplicates", 0, "one key, recorded twice", "INSERT INTO journal_orders VALUES ('key-1', $order)"),
    plant(
        "duplicates",
        1,
        "one quote, two orders",
        "ALTER TABLE orders.orders DROP CONSTRAINT orders_quote_id_key;
         SELECT pg_temp.twin('orders.orders', jsonb_build_object('id', $other))",
    ),
    plant(
        "duplicates",
        1,
        "two payments",
        "ALTER TABLE orders.payments DROP CONSTRAINT payments_order_id_key;
         SELECT pg_temp.twin('orders.payments', jsonb_build_object('id', $other))",
    ),
    plant(
        "duplicates",
        1,
        "captured twice in our ledger",
        "ALTER TABLE orders.ledger DROP CONSTRAINT ledger_pkey;
         SELECT pg_temp.twin('orders.ledger', '{\"kind\": \"capture\", \"operation_key\": \"capture-2\"}')",
    ),
    plant(
        "duplicates",
        1,
        "captured twice at the gateway",
        "INSERT INTO gateway_ledger VALUES ('pay_1', 'capture', 1500, 'EUR', 'capture-2')",
    ),
    plant(
        "duplicates",
        1,
        "two tickets",
        "ALTER TABLE merchant.tickets DROP CONSTRAINT tickets_order_id_key;
         SELECT pg_temp.twin('merchant.tickets', jsonb_build_object('id', $other))",
    ),
    plant(
        "duplicates",
        1,
        "two deliveries",
        "ALTER TABLE dispatch.deliveries DROP CONSTRAINT deliveries_order_id_key;
         SELECT pg_temp.twin('dispatch.deliveries', jsonb_build_object('id', $other))",
    ),
    plant("lost", 1, "an order that was acknowledged and is not stored", "INSERT INTO journal_orders VALUES ('key-2', $other)"),
    plant("lost", 1, "a missing version in the middle", "DELETE FROM orders.events WHERE aggregate = 'order' AND version = 3"),
    plant("lost", 1, "the missing newest version", "DELETE FROM orders.events WHERE aggregate = 'order' AND version = 6"),
    plant("lost", 1, "all versions missing", "DELETE FROM orders.events WHERE aggregate = 'order'"),
    plant(
        "lost",
        1,
        "a missing version, with as many events as versions",
        "UPDATE orders.events SET version = 9 WHERE aggregate = 'order' AND version = 3",
    ),
    plant(
        "double_assignments",
        1,
        "a second rider before the first has ended",
        "SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $other,
             'accepted_at', '2026-11-20 12:30Z', 'ended_at', '2026-11-20 13:30Z'))",
    ),
    plant(
        "double_assignments",
        1,
        "a second assignment that has not ended",
        "SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $other, 'accepted_at', '2026-11-20 12:30Z', 'ended_at', NULL))",
    ),
    plant(
        "double_assignments",
        1,
        "two assignments that have not ended",
        "DROP INDEX dispatch.offers_one_assignment; UPDATE dispatch.offers SET ended_at = NULL;
         SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $other, 'accepted_at', '2026-11-20 14:00Z', 'ended_at', NULL))",
    ),
    plant(
        "double_assignments",
        3,
        "three assignments at once: three pairs",
        "SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $other, 'accepted_at', '2026-11-20 12:10Z'));
         SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $another, 'accepted_at', '2026-11-20 12:20Z'))",
    ),
    plant(
        "double_assignments",
        0,
        "one assignment after the other",
        "SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $other, 'accepted_at', '2026-11-20 13:00Z', 'ended_at', NULL))",
    ),
    plant(
        "capacity_breaches",
        1,
        "a third order for a rider with capacity two",
        "SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $other, 'accepted_at', '2026-11-20 12:10Z'));
         SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $another, 'accepted_at', '2026-11-20 12:20Z'))",
    ),
    plant(
        "capacity_breaches",
        0,
        "two orders for a rider with capacity two, and a third when one of them has ended",
        "SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $other, 'accepted_at', '2026-11-20 12:10Z'));
         SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $another, 'accepted_at', '2026-11-20 13:00Z',
             'ended_at', '2026-11-20 14:00Z'))",
    ),
    plant("capacity_breaches", 1, "a load without an assignment", "UPDATE dispatch.riders SET active = 1"),
    plant("capacity_breaches", 1, "an assignment that the load does not count", "UPDATE dispatch.offers SET ended_at = NULL"),
    plant("stuck before", 1, "an order that nobody accepts", "UPDATE orders.orders SET state = 'paid', placed_at = now() - interval '61 s'"),
    plant("stuck before", 0, "an order that was just paid", "UPDATE orders.orders SET state = 'paid', placed_at = now() - interval '5 s'"),
    plant(
        "stuck before",
        1,
        "an accepted order without a delivery",
        "UPDATE orders.orders SET state = 'ready';
         UPDATE orders.events SET type = 'order.accepted.v1', occurred_at = now() - interval '61 s' WHERE aggregate = 'order' AND version = 3;
         UPDATE dispatch.deliveries SET order_id = $other; UPDATE dispatch.offers SET order_id = $other",
    ),
    plant(
        "stuck before",
        1,
        "a delivery without a round for half a minute",
        "UPDATE dispatch.deliveries SET state = 'searching', rider_id = NULL, state_since = now() - interval '31 s';
         UPDATE dispatch.rounds SET at = now() - interval '31 s', outcome = 'nobody'",
    ),
    plant(
        "stuck before",
        0,
        "a delivery that is held until later",
        "UPDATE dispatch.deliveries SET state = 'searching', rider_id = NULL, state_since = now() - interval '99 s';
         UPDATE dispatch.rounds SET at = now() - interval '31 s', outcome = 'hold', until_at = now() + interval '9 s'",
    ),
    plant(
        "stuck before",
        1,
        "a scheduled delivery without a timer",
        "UPDATE dispatch.deliveries SET state = 'scheduled', rider_id = NULL",
    ),
    plant(
        "stuck before",
        1,
        "an open offer half a minute after it expired",
        "UPDATE dispatch.offers SET state = 'sent', accepted_at = NULL, ended_at = NULL, expires_at = now() - interval '31 s'",
    ),
    plant(
        "stuck before",
        1,
        "an open ticket of an order that is over",
        "UPDATE merchant.tickets SET state = 'accepted'; UPDATE orders.events SET occurred_at = now() - interval '31 s'",
    ),
    plant("stuck before", 1, "a payment whose next attempt is a minute late", "UPDATE orders.payments SET next_attempt_at = now() - interval '61 s'"),
    plant(
        "stuck before",
        2,
        "an event that was not published for half a minute, and a timer as late",
        "UPDATE orders.events SET tx = pg_current_xact_id(), occurred_at = now() - interval '31 s' WHERE aggregate = 'order' AND version = 3;
         INSERT INTO orders.timers VALUES ('order', $order, 'acceptance', now() - interval '31 s')",
    ),
    plant(
        "lost",
        3,
        "acknowledged requests without an effect",
        "INSERT INTO acknowledged VALUES ('ticket', $ticket, 'rejected'), ('offer', $other, 'accepted'), ('order', $order, 'cancelled')",
    ),
    plant(
        "lost",
        0,
        "acknowledged requests with their effect",
        "INSERT INTO acknowledged VALUES ('ticket', $ticket, 'accepted'), ('offer', $offer, 'accepted'), ('delivery', $delivery, 'picked_up')",
    ),
    plant("lost", 1, "an applied version that is behind", "UPDATE orders.applied SET version = 7 WHERE consumer = 'order.delivery'"),
    plant("lost", 1, "an event that was not applied", "DELETE FROM orders.applied WHERE consumer = 'order.ticket'"),
    plant(
        "capacity_breaches",
        1,
        "a second order at capacity one, which has become two since",
        "UPDATE dispatch.events SET data = '{\"capacity\": 1}', occurred_at = '2026-11-20 10:00Z' WHERE aggregate = 'rider';
         SELECT pg_temp.twin('dispatch.offers', jsonb_build_object('id', $other, 'accepted_at', '2026-11-20 12:10Z'))",
    ),
    plant(
        "invariant_violations",
        1,
        "captured, and in neither ledger",
        "DELETE FROM orders.ledger WHERE kind = 'capture'; DELETE FROM gateway_ledger WHERE kind = 'capture'",
    ),
    plant(
        "invariant_violations",
        1,
        "another price than the order's",
        "UPDATE orders.payments SET amount = 1400",
    ),
    plant(
        "invariant_violations",
        2,
        "a ticket and a delivery without an order",
        "UPDATE merchant.tickets SET order_id = $other; UPDATE dispatch.deliveries SET order_id = $another;
         UPDATE orders.orders SET state = 'delivering';
         UPDATE orders.events SET data = '{\"state\": \"delivering\"}' WHERE aggregate = 'order' AND version = 6;
         INSERT INTO orders.progress SELECT $other, 1, ticket, NULL FROM orders.progress WHERE order_id = $order;
         INSERT INTO orders.progress SELECT $another, 1, NULL, delivery FROM orders.progress WHERE order_id = $order;
         SELECT pg_temp.log('orders', 'progress', $other, NULL), pg_temp.log('orders', 'progress', $another, NULL)",
    ),
    plant(
        "invariant_violations",
        2,
        "cancelled while tidying up, although dispatch had a rider or had no delivery",
        "INSERT INTO tidied_up VALUES ($order), ($other)",
    ),
    plant(
        "invariant_violations",
        0,
        "cancelled while tidying up, because there was no rider",
        "INSERT INTO tidied_up VALUES ($order); UPDATE dispatch.rounds SET outcome = 'nobody'",
    ),
    plant("ledger_difference", 1500, "not in our ledger", "DELETE FROM orders.ledger WHERE kind = 'capture'"),
    plant("ledger_difference", 1500, "not in the gateway's", "DELETE FROM gateway_ledger WHERE kind = 'capture'"),
    plant("ledger_difference", 100, "less than was captured", "UPDATE orders.ledger SET amount = 1400 WHERE kind = 'capture'"),
    plant(
        "ledger_difference",
        3000,
        "the same amount in another currency",
        "UPDATE gateway_ledger SET currency = 'USD' WHERE kind = 'capture'",
    ),
    plant("ledger_difference", 3000, "voided at the gateway, captured in our ledger", "UPDATE gateway_ledger SET kind = 'void' WHERE kind = 'capture'"),
    plant(
        "ledger_difference",
        1,
        "an entry of zero on one side",
        "INSERT INTO gateway_ledger VALUES ('pay_1', 'refund', 0, 'EUR', 'refund-1')",
    ),
    plant(
        "ledger_difference",
        0,
        "a receivable",
        "INSERT INTO orders.ledger VALUES ($order, 'receivable', $payment, 1500, 'EUR', 'capture-1.receivable')",
    ),
    plant(
        "invariant_violations",
        5,
        "an illegal transition in each lifecycle",
        "UPDATE orders.events SET data = '{\"state\": \"delivering\"}' WHERE aggregate = 'order' AND version = 1;
         UPDATE orders.events SET data = '{\"state\": \"captured\"}' WHERE aggregate = 'payment' AND version = 1;
         UPDATE merchant.events SET data = '{\"state\": \"ready\"}' WHERE aggregate = 'ticket' AND version = 1;
         UPDATE dispatch.events SET data = '{\"state\": \"cancelled\"}' WHERE aggregate = 'delivery' AND version = 1;
         UPDATE dispatch.events SET data = '{\"state\": \"declined\"}' WHERE aggregate = 'offer' AND version = 1",
    ),
    plant(
        "invariant_violations",
        3,
        "a gap in the middle, which is an illegal transition as well, and a gap at the beginning",
        "DELETE FROM orders.events WHERE aggregate = 'order' AND version = 3;
         DELETE FROM merchant.events WHERE aggregate = 'ticket' AND version = 1",
    ),
    plant(
        "invariant_violations",
        9,
        "a version of each aggregate without an event",
        "UPDATE orders.orders SET version = 9;
         UPDATE orders.progress SET version = 3, ticket = '{\"version\": 5}', delivery = '{\"version\": 9}';
         UPDATE orders.payments SET version = 4;
         UPDATE merchant.merchants SET version = 2;
         UPDATE orders.merchants SET version = 2;
         UPDATE merchant.tickets SET version = 5;
         UPDATE dispatch.deliveries SET version = 9;
         UPDATE dispatch.offers SET version = 3;
         UPDATE dispatch.riders SET version = 2;
         UPDATE dispatch.zones SET version = 2;
         UPDATE orders.zones SET version = 2",
    ),
    plant("invariant_violations", 1, "a rider without events", "DELETE FROM dispatch.events WHERE aggregate = 'rider'"),
    plant(
        "invariant_violations",
        1,
        "a row with another state than its newest event",
        "UPDATE orders.payments SET state = 'failed';
         INSERT INTO orders.ledger VALUES ($order, 'receivable', $payment, 1500, 'EUR', 'capture-1.receivable')",
    ),
    plant(
        "invariant_violations",
        1,
        "a refused capture of a delivered order without a receivable",
        "UPDATE orders.payments SET state = 'failed';
         UPDATE orders.events SET data = '{\"state\": \"failed\"}' WHERE aggregate = 'payment' AND version = 3",
    ),
    plant(
        "invariant_violations",
        1,
        "a delivery with a rider who never accepted",
        "INSERT INTO dispatch.riders (id, name, vehicle, speed_mps, capacity, status, version)
         VALUES ($other, 'S', 'car', 9, 1, 'available', 1);
         SELECT pg_temp.log('dispatch', 'rider', $other, NULL);
         UPDATE dispatch.deliveries SET rider_id = $other",
    ),
    plant(
        "invariant_violations",
        4,
        "copies that are older than their originals",
        "UPDATE orders.merchants SET version = 0; UPDATE orders.zones SET version = 0;
         UPDATE orders.progress SET ticket = '{\"version\": 3}', delivery = '{\"version\": 7}'",
    ),
    plant(
        "invariant_violations",
        4,
        "missing copies",
        "DELETE FROM orders.merchants; DELETE FROM orders.zones; UPDATE orders.progress SET ticket = NULL, delivery = NULL",
    ),
];

/// End states of order, ticket, delivery and payment that are allowed together; `-` for none.
pub const GOOD_ENDS: &[[&str; 4]] = &[
    ["delivered", "handed_over", "delivered", "captured"],
    ["delivered", "handed_over", "delivered", "failed"],
    ["rejected", "rejected", "-", "voided"],
    ["expired", "-", "-", "voided"],
    ["expired", "-", "-", "failed"],
    ["expired", "expired", "-", "voided"],
    // merchant-svc rejected the ticket automatically after the order had expired.
    ["expired", "rejected", "-", "voided"],
    ["cancelled", "-", "-", "voided"],
    ["cancelled", "cancelled", "-", "voided"],
    ["cancelled", "rejected", "-", "voided"],
    ["cancelled", "cancelled", "cancelled", "refunded"],
    ["cancelled", "cancelled", "unassignable", "refunded"],
    ["cancelled", "handed_over", "returned", "refunded"],
    ["cancelled", "handed_over", "delivered", "refunded"],
    ["failed", "cancelled", "unassignable", "refunded"],
    ["failed", "handed_over", "failed", "refunded"],
    ["failed", "handed_over", "returned", "refunded"],
];

/// End states that are not allowed together.
pub const BAD_ENDS: &[[&str; 4]] = &[
    ["delivered", "handed_over", "delivered", "refunded"],
    ["delivered", "handed_over", "delivered", "-"],
    ["delivered", "ready", "delivered", "captured"],
    ["delivered", "handed_over", "cancelled", "captured"],
    ["delivered", "-", "-", "captured"],
    ["rejected", "rejected", "-", "captured"],
    ["rejected", "rejected", "cancelled", "voided"],
    ["rejected", "cancelled", "-", "voided"],
    ["expired", "accepted", "-", "voided"],
    ["expired", "expired", "cancelled", "voided"],
    ["cancelled", "accepted", "cancelled", "refunded"],
    ["cancelled", "cancelled", "delivered", "refunded"],
    ["cancelled", "cancelled", "cancelled", "captured"],
    ["cancelled", "cancelled", "unassignable", "captured"],
    ["cancelled", "-", "unassignable", "refunded"],
    ["cancelled", "handed_over", "cancelled", "refunded"],
    ["failed", "cancelled", "cancelled", "refunded"],
    ["failed", "cancelled", "unassignable", "captured"],
];
