//! The orders with the largest excess over their zero-wait bound.

use maud::{Markup, html};

use super::super::clock::clock;
use super::super::run::Outcome;
use super::super::worst_orders::{WorstOrder, worst_orders};

pub fn worst(outcomes: &[Outcome]) -> Markup {
    html! {
        ol.worst {
            @for worst in worst_orders(outcomes) {
                (card(&worst))
            }
        }
    }
}

fn card(worst: &WorstOrder<'_>) -> Markup {
    let instance = &worst.outcome.instance;
    let order = &instance.orders[worst.order];
    let click_to_door = worst.dropoff.at - order.placement;
    let explanation = worst.outcome.day.explanations.iter().find(|e| e.order == worst.order);
    let planned = explanation.map_or(&[][..], |e| &e.sentences);
    html! {
        li {
            h3 {
                span { (instance.name) " · order " (order.id) }
                " "
                b { "+" (worst.excess) " min" }
            }
            p.note { (click_to_door) " minutes from click to door; " (worst.bound) " would have been possible." }
            ul {
                @for fact in facts(worst) {
                    li { (fact) }
                }
            }
            @if !planned.is_empty() {
                details {
                    summary.note { "What was planned, and why" }
                    ul {
                        @for sentence in planned {
                            li { (sentence) }
                        }
                    }
                }
            }
        }
    }
}

/// Times of the order and its position in the bundle, from the solution.
fn facts(worst: &WorstOrder<'_>) -> [String; 3] {
    let WorstOrder { assignment, dropoff, .. } = worst;
    let instance = &worst.outcome.instance;
    let order = &instance.orders[worst.order];
    let courier = &instance.couriers[assignment.courier].id;
    let wait = assignment.pickup - order.ready;
    let position = assignment.dropoffs.iter().position(|d| d.order == worst.order).map_or(0, |n| n + 1);
    [
        format!("Placed at {}, ready at {}.", clock(order.placement), clock(order.ready)),
        format!("Picked up at {} by {courier}, {wait} minutes after it was ready.", clock(assignment.pickup)),
        match assignment.dropoffs.len() {
            1 => format!("At the door at {}, the only one of its trip.", clock(dropoff.at)),
            n => format!("At the door at {}, number {position} of the {n} of its trip.", clock(dropoff.at)),
        },
    ]
}
