//! The tables of schema `merchant` (`migrations/merchant`), as diesel sees them.
#![allow(missing_docs, reason = "the migration documents them")]

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
