//! The page: headline figures, pictures, the worst orders, every instance.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use super::super::run::Outcome;
use super::super::summary::Summary;
use super::plot::MARKS;
use super::reference::Reference;
use super::text::escaped;
use super::worst::worst;
use super::pictures;

/// Key in the mean, name, unit, decimals, definition.
const CARDS: [(&str, &str, &str, usize, &str); 12] = [
    (
        "gap",
        "Gap",
        "min",
        2,
        "Mean click-to-door minus the mean zero-wait bound. What better dispatch could still gain.",
    ),
    ("ctd", "Click-to-door", "min", 2, "Drop-off minus placement, mean of the delivered orders."),
    (
        "bound",
        "Zero-wait bound",
        "min",
        2,
        "As if a courier stood at every kitchen door and brought each order at once and alone. No policy beats it.",
    ),
    ("ctd_p90", "Click-to-door, p90", "min", 1, "Nine of ten orders took at most this long."),
    ("rtp", "Ready-to-pickup", "min", 2, "Pickup minus the time when the food was ready, mean."),
    ("overage", "Overage", "min", 2, "Minutes of click-to-door above the target, mean over all delivered orders."),
    ("undelivered_pct", "Undelivered", "%", 2, "Orders that nobody brought."),
    (
        "cost_per_order",
        "Cost per order",
        "$",
        2,
        "Each courier is paid per order or the guaranteed wage of their shift, whichever is more; per delivered order.",
    ),
    (
        "utilisation",
        "Utilisation",
        "",
        2,
        "Moving, with or without an order, and service at counters and doors, per time on shift.",
    ),
    ("orders_per_bundle", "Orders per bundle", "", 3, "Delivered orders per trip from a restaurant."),
    (
        "moves_per_order",
        "Empty moves per order",
        "",
        2,
        "Moves to a restaurant that no pickup followed, or that began before any order picked up there was placed.",
    ),
    ("worst_decision_ms", "Longest decision", "ms", 1, "Wall time of the longest single decision of all days."),
];

/// The whole page.
///
/// # Errors
/// A picture cannot be drawn.
pub fn page(outcomes: &[Outcome], summary: &Summary, reference: &Reference) -> Result<String> {
    let options = &summary.options;
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Dispatch benchmark</title><style>{}</style></head><body>\
         <main><h1>Dispatch benchmark</h1><p class=\"note\">{} · policy {} · repositioning {} · orders final at {} · \
         kitchen times {} · seed {}</p>",
        include_str!("page.css"),
        plural(outcomes.len(), "day"),
        options.policy,
        if options.reposition { "on" } else { "off" },
        options.commit,
        options.kitchen,
        options.seed,
    );
    violations(&mut html, outcomes);
    cards(&mut html, &summary.json());
    let _ = write!(
        html,
        "<h2>Click-to-door of all orders</h2><p class=\"note\">The line is what no policy can beat; the dashed lines are \
         the means. The last bar holds everything beyond it.</p><figure><ul class=\"legend\">{}{}</ul>{}</figure>",
        legend("", "ours", "reached"),
        legend("line", "bound", "zero-wait bound"),
        pictures::distribution(outcomes)?,
    );
    gaps(&mut html, outcomes, reference)?;
    riders(&mut html, outcomes)?;
    html.push_str(
        "<h2>The ten worst orders</h2><p class=\"note\">Those that were furthest above their own zero-wait bound.</p>",
    );
    html.push_str(&worst(outcomes));
    instances(&mut html, summary);
    html.push_str("</main></body></html>\n");
    Ok(html)
}

fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn legend(shape: &str, color: &str, what: &str) -> String {
    format!("<li><i class=\"{shape}\" style=\"background:var(--{color})\"></i>{}</li>", escaped(what))
}

fn violations(html: &mut String, outcomes: &[Outcome]) {
    let bad: Vec<_> = outcomes.iter().filter(|o| !o.violations.is_empty()).collect();
    if bad.is_empty() {
        return;
    }
    html.push_str("<div class=\"list alarm\"><b>Not feasible: these figures do not count.</b><ul>");
    for outcome in bad {
        let name = escaped(&outcome.instance.name);
        let first = outcome.violations.first().map(ToString::to_string).unwrap_or_default();
        let _ = write!(
            html,
            "<li>{name}: {}, first: {}</li>",
            plural(outcome.violations.len(), "violation"),
            escaped(&first)
        );
    }
    html.push_str("</ul></div>");
}

fn cards(html: &mut String, json: &Value) {
    html.push_str("<div class=\"cards\">");
    for (key, name, unit, decimals, definition) in CARDS {
        // Of a longest decision, the longest counts, not the mean.
        let value = if key == "worst_decision_ms" { &json[key] } else { &json["mean"][key] };
        let value = value.as_f64().map_or("–".to_owned(), |n| format!("{n:.decimals$}"));
        let _ = write!(
            html,
            "<div class=\"card\"><span class=\"what\">{name}</span><b>{value} <span class=\"unit\">{unit}</span></b>\
             <p>{definition}</p></div>"
        );
    }
    html.push_str("</div>");
}

fn gaps(html: &mut String, outcomes: &[Outcome], reference: &Reference) -> Result<()> {
    let ours: Vec<_> = outcomes.iter().map(|o| (o.instance.name.as_str(), o.metrics.gap)).collect();
    let compared = reference.compare(&ours);
    let policies: Vec<_> = compared.iter().map(|c| c.policy.as_str()).take(MARKS.len()).collect();
    html.push_str("<h2>Gap per instance</h2>");
    if !compared.is_empty() {
        html.push_str(
            "<div class=\"list scroll\"><table><tr><th>Reference</th><th>instances</th><th>their gap</th><th>ours − theirs</th>\
             <th>standard error</th><th>ours is better on</th></tr>",
        );
        for c in &compared {
            let class = if c.difference.mean < 0.0 { "better" } else { "worse" };
            let error = if c.difference.standard_error.is_finite() { format!("{:.3}", c.difference.standard_error) } else { "–".into() };
            let _ = write!(
                html,
                "<tr><td>{}</td><td>{}</td><td>{:.2}</td><td class=\"{class}\">{:+.2}</td><td>{error}</td><td>{}</td></tr>",
                escaped(&c.policy),
                c.difference.pairs,
                c.gap,
                c.difference.mean,
                c.better,
            );
        }
        html.push_str("</table></div>");
    }
    let pictures::GapPicture { svg, marks_outside } = pictures::gaps(outcomes, reference, &policies)?;
    html.push_str("<figure><ul class=\"legend\">");
    html.push_str(&legend("", "ours", "ours"));
    for (n, policy) in policies.iter().enumerate() {
        html.push_str(&legend("dot", &format!("mark{n}"), policy));
    }
    let _ = write!(html, "</ul>{svg}");
    if marks_outside > 0 {
        let _ = write!(html, "<p class=\"note\">Beyond the right edge: {}.</p>", plural(marks_outside, "reference mark"));
    }
    html.push_str("</figure>");
    Ok(())
}

/// The day with the biggest gap, and an ordinary one.
fn riders(html: &mut String, outcomes: &[Outcome]) -> Result<()> {
    let mut sorted: Vec<_> = outcomes.iter().filter(|o| o.metrics.gap.is_finite()).collect();
    sorted.sort_by(|a, b| b.metrics.gap.total_cmp(&a.metrics.gap));
    html.push_str(
        "<h2>Riders over time</h2><p class=\"note\">Busy is moving or serving; waiting is standing at a restaurant for food \
         that is already ordered; the rest of those on shift are idle. Open orders are placed and not picked up.</p>",
    );
    let mut shown = vec![("biggest gap", sorted.first())];
    if sorted.len() > 2 {
        shown.push(("median gap", sorted.get(sorted.len() / 2)));
    }
    for (why, outcome) in shown {
        let Some(outcome) = outcome else { continue };
        let _ = write!(
            html,
            "<figure><p><b>{}</b> <span class=\"note\">{why}: {:.2} minutes</span></p><ul class=\"legend\">{}{}{}{}</ul>{}</figure>",
            escaped(&outcome.instance.name),
            outcome.metrics.gap,
            legend("line", "bound", "on shift"),
            legend("", "ours", "busy"),
            legend("", "third", "waiting for food"),
            legend("line", "ink", "open orders"),
            pictures::riders(outcome)?,
        );
    }
    Ok(())
}

fn instances(html: &mut String, summary: &Summary) {
    let (head, rows) = summary.table();
    let cells = |tag: &str, cells: &mut dyn Iterator<Item = &str>| {
        cells.map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell.trim()))).collect::<String>()
    };
    let open = if rows.len() > 21 { "" } else { " open" };
    let _ = write!(html, "<h2>Every instance</h2><details{open}><summary>{}</summary>", plural(rows.len() - 1, "day"));
    let _ = write!(html, "<div class=\"scroll\"><table><tr>{}</tr>", cells("th", &mut head.iter().copied()));
    for (n, row) in rows.iter().enumerate() {
        let class = if n + 1 == rows.len() { " class=\"mean\"" } else { "" };
        let _ = write!(html, "<tr{class}>{}</tr>", cells("td", &mut row.iter().map(String::as_str)));
    }
    html.push_str("</table></div></details>");
}

#[cfg(test)]
mod tests {
    use super::super::super::fixture::{instance, solution};
    use super::super::super::metrics::measure;
    use super::super::super::solution::{DayOptions, DayResult, Explanation};
    use super::*;

    fn outcome(name: &str, day: DayResult) -> Outcome {
        let mut instance = instance();
        instance.name = name.into();
        let metrics = measure(&instance, &day, 0.1);
        Outcome { instance, day, metrics, violations: Vec::new() }
    }

    fn page_of(outcomes: &[Outcome]) -> String {
        let instances = outcomes.iter().map(|o| (o.instance.name.clone(), o.metrics)).collect();
        let summary = Summary { options: DayOptions::default(), instances };
        page(outcomes, &summary, &Reference::default()).unwrap()
    }

    #[test]
    fn the_page_is_self_contained() {
        let explanations = vec![Explanation { order: 1, sentences: vec!["Waited for <o1>.".into()] }];
        let html = page_of(&[outcome("a<b", DayResult { solution: solution(), explanations, ..DayResult::default() })]);
        assert_eq!(html.matches("<svg ").count(), 3);
        assert!(html.contains("a&lt;b") && !html.contains("a<b") && html.contains("Waited for &lt;o1&gt;."));
        for outside in ["http://", "https://", "src=", "<script", "<link"] {
            let html = html.replace("http://www.w3.org/2000/svg", "");
            assert!(!html.contains(outside), "{outside}");
        }
        // All placeholder colours are replaced.
        assert!(!html.contains("\"#0102") && !html.contains("\"#0103"));
    }

    #[test]
    fn a_day_without_deliveries_has_a_page() {
        assert!(page_of(&[outcome("empty", DayResult::default())]).contains("–"));
    }
}
