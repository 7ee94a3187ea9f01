//! The headline figures.

use maud::{Markup, html};
use serde_json::Value;

struct Card {
    /// Key in the summary's means.
    key: &'static str,
    name: &'static str,
    unit: &'static str,
    decimals: usize,
    definition: &'static str,
}

const CARDS: [Card; 12] = [
    Card {
        key: "gap",
        name: "Gap",
        unit: "min",
        decimals: 2,
        definition: "Mean click-to-door minus the mean zero-wait bound. What better dispatch could still gain.",
    },
    Card {
        key: "ctd",
        name: "Click-to-door",
        unit: "min",
        decimals: 2,
        definition: "Drop-off minus placement, mean of the delivered orders.",
    },
    Card {
        key: "bound",
        name: "Zero-wait bound",
        unit: "min",
        decimals: 2,
        definition: "As if a courier stood at every kitchen door and brought each order at once and alone. \
                     No policy beats it.",
    },
    Card {
        key: "ctd_p90",
        name: "Click-to-door, p90",
        unit: "min",
        decimals: 1,
        definition: "Nine of ten orders took at most this long.",
    },
    Card {
        key: "rtp",
        name: "Ready-to-pickup",
        unit: "min",
        decimals: 2,
        definition: "Pickup minus the time when the food was ready, mean.",
    },
    Card {
        key: "overage",
        name: "Overage",
        unit: "min",
        decimals: 2,
        definition: "Minutes of click-to-door above the target, mean over all delivered orders.",
    },
    Card {
        key: "undelivered_pct",
        name: "Undelivered",
        unit: "%",
        decimals: 2,
        definition: "Orders that nobody brought.",
    },
    Card {
        key: "cost_per_order",
        name: "Cost per order",
        unit: "$",
        decimals: 2,
        definition: "Each courier is paid per order or the guaranteed wage of their shift, \
                     whichever is more; per delivered order.",
    },
    Card {
        key: "utilisation",
        name: "Utilisation",
        unit: "",
        decimals: 2,
        definition: "Moving, with or without an order, and service at counters and doors, per time on shift.",
    },
    Card {
        key: "orders_per_bundle",
        name: "Orders per bundle",
        unit: "",
        decimals: 3,
        definition: "Delivered orders per trip from a restaurant.",
    },
    Card {
        key: "moves_per_order",
        name: "Empty moves per order",
        unit: "",
        decimals: 2,
        definition: "Moves to a restaurant that no pickup followed, \
                     or that began before any order picked up there was placed.",
    },
    Card {
        key: "worst_decision_ms",
        name: "Longest decision",
        unit: "ms",
        decimals: 1,
        definition: "Wall time of the longest single decision of all days.",
    },
];

/// The means of a summary, as cards.
pub fn cards(summary: &Value) -> Markup {
    html! {
        div.cards {
            @for card in &CARDS {
                div.card {
                    span.what { (card.name) }
                    b { (value(card, summary)) " " span.unit { (card.unit) } }
                    p { (card.definition) }
                }
            }
        }
    }
}

fn value(card: &Card, summary: &Value) -> String {
    // The longest decision is a maximum over all days, not a mean.
    let value = if card.key == "worst_decision_ms" { &summary[card.key] } else { &summary["mean"][card.key] };
    value.as_f64().map_or("–".to_owned(), |n| format!("{n:.*}", card.decimals))
}
