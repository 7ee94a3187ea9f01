//! The orders that took longest, measured against what was possible for them.

use std::fmt::Write as _;

use super::super::clock::clock;
use super::super::run::Outcome;
use super::super::worst_orders::{WorstOrder, worst_orders};
use super::text::escaped;

/// The same ten as HTML.
pub fn worst(outcomes: &[Outcome]) -> String {
    let mut html = String::from("<ol class=\"worst\">");
    for late in &worst_orders(outcomes) {
        let instance = &late.outcome.instance;
        let order = &instance.orders[late.order];
        let reached = late.dropoff.at - order.placement;
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
        let story = late.outcome.day.explanations.iter().find(|story| story.order == late.order);
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
fn facts(late: &WorstOrder<'_>) -> Vec<String> {
    let instance = &late.outcome.instance;
    let order = &instance.orders[late.order];
    let courier = &instance.couriers[late.assignment.courier].id;
    let wait = late.assignment.pickup - order.ready;
    let mut facts = vec![
        format!("Placed at {}, ready at {}.", clock(order.placement), clock(order.ready)),
        format!("Picked up at {} by {courier}, {wait} minutes after it was ready.", clock(late.assignment.pickup)),
    ];
    let drops = &late.assignment.dropoffs;
    let place = drops.iter().position(|drop| drop.order == late.order).map_or(0, |n| n + 1);
    facts.push(match drops.len() {
        1 => format!("At the door at {}, the only one of its trip.", clock(late.dropoff.at)),
        n => format!("At the door at {}, number {place} of the {n} of its trip.", clock(late.dropoff.at)),
    });
    facts
}
