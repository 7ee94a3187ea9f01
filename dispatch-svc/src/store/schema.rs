//! Generated from the database that `migrations/dispatch` makes. Do not edit: write a migration, then run
//! `PANNIER_UPDATE_SCHEMA=1 ./pannier test -- schema`.
#![allow(missing_docs, reason = "the migrations document the tables")]

diesel::table! {
    deliveries (id) {
        id -> Uuid,
        order_id -> Uuid,
        merchant_id -> Uuid,
        merchant_name -> Text,
        zone_id -> Text,
        pickup -> Jsonb,
        dropoff -> Jsonb,
        ready_at -> Timestamptz,
        promise_at -> Timestamptz,
        pin_hash -> Text,
        state -> Text,
        version -> BigInt,
        attempt -> Integer,
        rider_id -> Nullable<Uuid>,
        reason -> Nullable<Text>,
        opened_at -> Timestamptz,
        state_since -> Timestamptz,
        assigned_at -> Nullable<Timestamptz>,
        at_pickup_at -> Nullable<Timestamptz>,
        picked_up_at -> Nullable<Timestamptz>,
        at_dropoff_at -> Nullable<Timestamptz>,
        delivered_at -> Nullable<Timestamptz>,
        watched_place -> Nullable<Jsonb>,
        stated_ready_at -> Nullable<Timestamptz>,
        ready_seen_at -> Nullable<Timestamptz>,
        is_open -> Bool,
    }
}

diesel::table! {
    offers (id) {
        id -> Uuid,
        delivery_id -> Uuid,
        order_id -> Uuid,
        rider_id -> Uuid,
        attempt -> Integer,
        state -> Text,
        version -> BigInt,
        round_id -> Uuid,
        ready_at -> Timestamptz,
        sent_at -> Timestamptz,
        expires_at -> Timestamptz,
        accepted_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        reason -> Nullable<Text>,
        why -> Nullable<Text>,
    }
}

diesel::table! {
    riders (id) {
        id -> Uuid,
        name -> Text,
        vehicle -> Text,
        speed_mps -> Double,
        capacity -> Integer,
        status -> Text,
        stale -> Bool,
        active -> Integer,
        version -> BigInt,
        last_seen_at -> Nullable<Timestamptz>,
        last_place -> Nullable<Jsonb>,
        cell -> Nullable<Text>,
        idle_since -> Timestamptz,
        offers_accepted -> BigInt,
        offers_answered -> BigInt,
        open_offers -> Integer,
    }
}

diesel::table! {
    rounds (id) {
        id -> Uuid,
        delivery_id -> Uuid,
        at -> Timestamptz,
        outcome -> Text,
        reason -> Nullable<Text>,
        until_at -> Nullable<Timestamptz>,
        policy_version -> Integer,
        candidates -> Jsonb,
        left_out -> Integer,
        policy -> Text,
        seed -> BigInt,
        steps -> Integer,
        took_ms -> Integer,
        fallback -> Nullable<Text>,
        planned_rider_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    zones (id) {
        id -> Text,
        uid -> Uuid,
        name -> Text,
        polygon -> Jsonb,
        policy -> Jsonb,
        version -> BigInt,
    }
}

diesel::joinable!(deliveries -> riders (rider_id));
diesel::joinable!(offers -> deliveries (delivery_id));
diesel::joinable!(offers -> riders (rider_id));
diesel::joinable!(rounds -> deliveries (delivery_id));
diesel::allow_tables_to_appear_in_same_query!(deliveries, offers, riders, rounds, zones);
