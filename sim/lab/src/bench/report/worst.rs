//! The orders that took longest, measured against what was possible for them.

use std::fmt::Write as _;

use super::super::metrics::bound;
use super::super::run::Outcome;
use super::super::solution::{Assignment, Drop};
use super::{clock, escaped};

const SHOWN: usize = 10;

struct Late<'o> {
    outcome: &'o Outcome,
    order: usize,
    assignment: &'o Assignment,
    drop: Drop,
    bound: i64,
    excess: i64,
}

/// The ten that were furthest above their zero-wait bound: the numbers of their days and orders.
pub fn which(outcomes: &[Outcome]) -> Vec<(usize, usize)> {
    let day = |late: &Late<'_>| outcomes.iter().position(|o| std::ptr::eq(o, late.outcome));
    furthest(outcomes).iter().filter_map(|late| Some((day(late)?, late.order))).collect()
}

fn furthest(outcomes: &[Outcome]) -> Vec<Late<'_>> {
    let mut all: Vec<Late<'_>> = Vec::new();
    for outcome in outcomes {
        let served = outcome.day.solution.by_order(&outcome.instance);
        for (n, (order, served)) in outcome.instance.orders.iter().zip(served).enumerate() {
            let Some((assignment, drop)) = served else { continue };
            let bound = bound(&outcome.instance, order);
            let excess = drop.at - order.placement - bound;
            all.push(Late { outcome, order: n, assignment, drop, bound, excess });
        }
    }
    // Stable: equals stay in the order of the instances and their files.
    all.sort_by_key(|late| -late.excess);
    all.truncate(SHOWN);
    all
}

/// The same ten as HTML.
pub fn worst(outcomes: &[Outcome]) -> String {
    let mut html = String::from("<ol class=\"worst\">");
    for late in &furthest(outcomes) {
        let instance = &late.outcome.instance;
        let order = &instance.orders[late.order];
        let reached = late.drop.at - order.placement;
        let _ = write!(
            html,
            "<li><h3><span>{} · order {}</span> <b>+{} min</b></h3><p class=\"note\">{reached} minutes from click to door; \
             {} would have been possible.</p><ul>",
            escaped(&instance.name),
            escaped(&order.id),
            late.excess,
            late.bound,
        );
        for sentence in facts(late) {
            let _ = write!(html, "<li>{}</li>", escaped(&sentence));
        }
        html.push_str("</ul>");
        let story = late.outcome.day.stories.iter().find(|story| story.order == late.order);
        if let Some(story) = story.filter(|story| !story.sentences.is_empty()) {
            html.push_str("<details><summary class=\"note\">What was planned, and why</summary><ul>");
            for sentence in &story.sentences {
                let _ = write!(html, "<li>{}</li>", escaped(sentence));
            }
            html.push_str("</ul></details>");
        }
        html.push_str("</li>");
    }
    html.push_str("</ol>");
    html
}

/// What the solution itself tells.
fn facts(late: &Late<'_>) -> Vec<String> {
    let instance = &late.outcome.instance;
    let order = &instance.orders[late.order];
    let courier = &instance.couriers[late.assignment.courier].id;
    let wait = late.assignment.pickup - order.ready;
    let mut facts = vec![
        format!("Placed at {}, ready at {}.", clock(order.placement), clock(order.ready)),
        format!("Picked up at {} by {courier}, {wait} minutes after it was ready.", clock(late.assignment.pickup)),
    ];
    let drops = &late.assignment.drops;
    let place = drops.iter().position(|drop| drop.order == late.order).map_or(0, |n| n + 1);
    facts.push(match drops.len() {
        1 => format!("At the door at {}, the only one of its trip.", clock(late.drop.at)),
        n => format!("At the door at {}, number {place} of the {n} of its trip.", clock(late.drop.at)),
    });
    facts
}
