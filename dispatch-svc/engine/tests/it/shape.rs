//! Snapshots of the output: a small plan as JSON, and the default policy.

use pannier_engine::{Policy, Ready, plan};

use crate::world::{MINUTE, NOW, at, delivery, greedy, now, rdr, rider};

#[test]
fn a_small_plan() {
    let mut deliveries: Vec<_> = (1..=5).map(delivery).collect();
    deliveries[1].excluded = vec![rdr(1)];
    deliveries[1].pickup = at(700, 0);
    deliveries[2].ready = Ready::at(NOW + 30 * MINUTE);
    deliveries[3].ready = Ready::at(NOW - 50 * MINUTE);
    deliveries[4].ready = Ready::at(NOW + 14 * MINUTE);
    let mut riders = vec![rider(1, 400), rider(2, 1_500), rider(3, 200)];
    riders[1].free_place = at(300, 300);
    (riders[1].load, riders[1].free_at_ms) = (1, NOW + 6 * MINUTE);
    riders[2].stale = true;
    insta::assert_json_snapshot!(plan(&now(deliveries, riders), &greedy()));
}

#[test]
fn the_default_policy() {
    insta::assert_json_snapshot!(Policy::default());
}
