//! The JSON that rounds store and people read.

use pannier_engine::{Policy, Snapshot, plan};

use crate::world::{MINUTE, NOW, at, delivery, rdr, rider};

#[test]
fn a_small_plan() {
    let mut deliveries: Vec<_> = (1..=5).map(delivery).collect();
    deliveries[1].excluded = vec![rdr(1)];
    deliveries[1].pickup = at(700, 0);
    deliveries[2].ready_at_ms = NOW + 30 * MINUTE;
    deliveries[3].ready_at_ms = NOW - 50 * MINUTE;
    deliveries[4].ready_at_ms = NOW + 14 * MINUTE;
    let mut riders = vec![rider(1, 400), rider(2, 1_500), rider(3, 200)];
    riders[1].stops = vec![at(300, 300)];
    (riders[1].load, riders[1].busy_until_ms) = (1, NOW + 6 * MINUTE);
    riders[2].stale = true;
    insta::assert_json_snapshot!(plan(&Snapshot { now_ms: NOW, deliveries, riders }, &Policy::default()));
}

#[test]
fn the_default_policy() {
    insta::assert_json_snapshot!(Policy::default());
}
