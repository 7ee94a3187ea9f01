//! Generated from the database that `migrations/order` makes. Do not edit: write a migration, then run
//! `PANNIER_UPDATE_SCHEMA=1 ./pannier test -- schema`.
#![allow(missing_docs, reason = "the migrations document the tables")]

diesel::table! {
    ledger (operation_key) {
        order_id -> Uuid,
        kind -> Text,
        payment_id -> Uuid,
        amount -> BigInt,
        currency -> Text,
        operation_key -> Text,
        at -> Timestamptz,
    }
}

diesel::table! {
    merchants (id) {
        id -> Uuid,
        version -> BigInt,
        name -> Text,
        lat -> Double,
        lng -> Double,
        currency -> Text,
        prep_ms -> BigInt,
        status -> Text,
        menu -> Jsonb,
    }
}

diesel::table! {
    orders (id) {
        id -> Uuid,
        version -> BigInt,
        state -> Text,
        external_id -> Nullable<Text>,
        quote_id -> Uuid,
        customer_id -> Uuid,
        merchant_id -> Uuid,
        merchant_name -> Text,
        zone_id -> Text,
        lines -> Jsonb,
        fees -> Jsonb,
        currency -> Text,
        total -> BigInt,
        pickup_lat -> Double,
        pickup_lng -> Double,
        dropoff_lat -> Double,
        dropoff_lng -> Double,
        promise_at -> Timestamptz,
        ready_at -> Nullable<Timestamptz>,
        pin -> Text,
        pin_hash -> Text,
        reason -> Nullable<Text>,
        placed_at -> Timestamptz,
        is_open -> Bool,
        has_ended_early -> Bool,
        refund_share -> SmallInt,
        who_pays -> Nullable<Jsonb>,
    }
}

diesel::table! {
    payment_operations (key) {
        key -> Text,
        payment_id -> Uuid,
        attempt -> Integer,
        kind -> Text,
        amount -> BigInt,
        fence -> Nullable<BigInt>,
        asked_at -> Nullable<Timestamptz>,
        answer -> Nullable<Text>,
        detail -> Nullable<Text>,
        answered_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    payments (id) {
        id -> Uuid,
        version -> BigInt,
        state -> Text,
        order_id -> Uuid,
        method -> Text,
        currency -> Text,
        amount -> BigInt,
        attempt -> Integer,
        locked_until -> Nullable<Timestamptz>,
        next_attempt_at -> Nullable<Timestamptz>,
        failures -> Integer,
        last_error -> Nullable<Text>,
        fence -> BigInt,
        captured -> BigInt,
        refunded -> BigInt,
    }
}

diesel::table! {
    progress (order_id) {
        order_id -> Uuid,
        version -> BigInt,
        ticket -> Nullable<Json>,
        delivery -> Nullable<Json>,
    }
}

diesel::table! {
    quotes (id) {
        id -> Uuid,
        customer_id -> Uuid,
        merchant_id -> Uuid,
        merchant_name -> Text,
        zone_id -> Text,
        lines -> Jsonb,
        fees -> Jsonb,
        currency -> Text,
        total -> BigInt,
        pickup_lat -> Double,
        pickup_lng -> Double,
        dropoff_lat -> Double,
        dropoff_lng -> Double,
        promise_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    zones (id) {
        id -> Text,
        version -> BigInt,
        polygon -> Jsonb,
        policy -> Jsonb,
    }
}

diesel::joinable!(ledger -> orders (order_id));
diesel::joinable!(payment_operations -> payments (payment_id));
diesel::joinable!(payments -> orders (order_id));
diesel::allow_tables_to_appear_in_same_query!(
    ledger,
    merchants,
    orders,
    payment_operations,
    payments,
    progress,
    quotes,
    zones
);
