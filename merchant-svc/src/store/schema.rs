//! Generated from the database that `migrations/merchant` makes. Do not edit: write a migration, then run
//! `PANNIER_UPDATE_SCHEMA=1 ./pannier test -- schema`.
#![allow(missing_docs, reason = "the migrations document the tables")]

diesel::table! {
    menu_items (merchant_id, sku) {
        merchant_id -> Uuid,
        sku -> Text,
        sort -> Integer,
        name -> Text,
        price -> BigInt,
        available -> Bool,
    }
}

diesel::table! {
    merchants (id) {
        id -> Uuid,
        version -> BigInt,
        status -> Text,
        name -> Text,
        lat -> Double,
        lng -> Double,
        currency -> Text,
        prep_ms -> BigInt,
    }
}

diesel::table! {
    tickets (id) {
        id -> Uuid,
        version -> BigInt,
        state -> Text,
        order_id -> Uuid,
        merchant_id -> Uuid,
        lines -> Jsonb,
        ready_at -> Nullable<Timestamptz>,
        reason -> Nullable<Text>,
        opened_at -> Timestamptz,
        is_open -> Bool,
    }
}

diesel::joinable!(menu_items -> merchants (merchant_id));
diesel::allow_tables_to_appear_in_same_query!(menu_items, merchants, tickets);
