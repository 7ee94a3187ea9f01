//! Generated from the database that `migrations/platform` makes. Do not edit: write a migration, then run
//! `PANNIER_UPDATE_SCHEMA=1 ./pannier test -- schema`.
#![allow(missing_docs, reason = "the migrations document the tables")]

diesel::table! {
    alarms (aggregate_id, kind) {
        kind -> Text,
        aggregate -> Text,
        aggregate_id -> Uuid,
        detail -> Text,
        raised_at -> Timestamptz,
        resolved_at -> Nullable<Timestamptz>,
        id -> Uuid,
        raised -> Integer,
        last_raised_at -> Timestamptz,
        acknowledged_at -> Nullable<Timestamptz>,
        acknowledged_by -> Nullable<Text>,
        snoozed_until -> Nullable<Timestamptz>,
        note -> Nullable<Text>,
        resolved_by -> Nullable<Text>,
    }
}

diesel::table! {
    applied (consumer, aggregate, aggregate_id) {
        consumer -> Text,
        aggregate -> Text,
        aggregate_id -> Uuid,
        version -> BigInt,
        at -> Timestamptz,
    }
}

diesel::table! {
    audit (id) {
        id -> Uuid,
        at -> Timestamptz,
        actor -> Text,
        action -> Text,
        aggregate_id -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        address -> Nullable<Text>,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        traceparent -> Text,
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
    events (seq) {
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
        // tx is left out: diesel has no type for xid8.
        seq -> BigInt,
    }
}

diesel::table! {
    forgotten_events (one) {
        one -> Bool,
        // tx is left out: diesel has no type for xid8.
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
    leases (name) {
        name -> Text,
        holder -> Text,
        epoch -> BigInt,
        until -> Timestamptz,
    }
}

diesel::table! {
    relay_cursor (one) {
        one -> Bool,
        epoch -> Text,
        // done is left out: diesel has no type for pg_snapshot.
        // window_end is left out: diesel has no type for pg_snapshot.
        seq -> BigInt,
        at -> Timestamptz,
    }
}

diesel::table! {
    schema_floor (one) {
        one -> Bool,
        version -> Text,
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

diesel::allow_tables_to_appear_in_same_query!(
    alarms,
    applied,
    audit,
    dead_letters,
    events,
    forgotten_events,
    idempotency,
    late_events,
    leases,
    relay_cursor,
    schema_floor,
    set_aside,
    timers
);
