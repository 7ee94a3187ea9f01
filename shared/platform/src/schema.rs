//! The tables that every service has (`migrations/platform`), as diesel sees them.
#![allow(missing_docs, reason = "the migration documents them")]

diesel::table! {
    // Without `tx`: diesel has no type for xid8, and only the event log reads it.
    events (seq) {
        seq -> BigInt,
        event_id -> Uuid,
        #[sql_name = "type"]
        kind -> Text,
        aggregate -> Text,
        aggregate_id -> Uuid,
        version -> BigInt,
        occurred_at -> Timestamptz,
        traceparent -> Nullable<Text>,
        actor -> Text,
        audience -> Nullable<Text>,
        data -> Json,
    }
}

diesel::table! {
    set_aside (seq) {
        seq -> BigInt,
        attempts -> Integer,
        next_attempt_at -> Timestamptz,
        last_error -> Text,
        since -> Timestamptz,
    }
}

diesel::table! {
    late_events (id) {
        id -> BigInt,
        consumer -> Text,
        aggregate -> Text,
        aggregate_id -> Uuid,
        version -> BigInt,
        detail -> Text,
        at -> Timestamptz,
    }
}

diesel::table! {
    idempotency (principal, route, key) {
        principal -> Text,
        route -> Text,
        key -> Text,
        fingerprint -> Text,
        status -> SmallInt,
        body -> Json,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    timers (aggregate_id, kind) {
        aggregate -> Text,
        aggregate_id -> Uuid,
        kind -> Text,
        fire_at -> Timestamptz,
        claimed_until -> Nullable<Timestamptz>,
        attempts -> Integer,
        last_error -> Nullable<Text>,
    }
}

diesel::table! {
    dead_letters (id) {
        id -> Uuid,
        queue -> Text,
        event_id -> Nullable<Uuid>,
        #[sql_name = "type"]
        kind -> Nullable<Text>,
        aggregate -> Nullable<Text>,
        aggregate_id -> Nullable<Uuid>,
        version -> Nullable<BigInt>,
        reason -> Text,
        body -> Text,
        headers -> Jsonb,
        died_at -> Timestamptz,
        settled_at -> Nullable<Timestamptz>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    applied (consumer, aggregate, aggregate_id) {
        consumer -> Text,
        aggregate -> Text,
        aggregate_id -> Uuid,
        version -> BigInt,
    }
}

diesel::table! {
    alarms (aggregate_id, kind) {
        kind -> Text,
        aggregate -> Text,
        aggregate_id -> Uuid,
        detail -> Text,
        raised_at -> Timestamptz,
        resolved_at -> Nullable<Timestamptz>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(events, set_aside, applied, timers, alarms, dead_letters);
