//! The page: headline figures, pictures, the worst orders, all instances.

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::run::Outcome;
use super::super::summary::Summary;
use super::cards::cards;
use super::pictures;
use super::plot::MARKS;
use super::reference::{Comparison, Reference};
use super::worst::worst;

/// Up to as many days the table of all instances is open at first.
const MAX_OPEN_DAYS: usize = 20;

/// The whole page as HTML.
///
/// # Errors
/// A picture cannot be drawn.
pub fn page(outcomes: &[Outcome], summary: &Summary, reference: &Reference) -> Result<String> {
    let options = &summary.options;
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Dispatch benchmark" }
                style { (PreEscaped(include_str!("page.css"))) }
            }
            body {
                main {
                    h1 { "Dispatch benchmark" }
                    p.note {
                        (plural(outcomes.len(), "day")) " · policy " (options.policy)
                        " · repositioning " (if options.reposition { "on" } else { "off" })
                        " · orders final at " (options.commit) " · kitchen times " (options.kitchen)
                        " · seed " (options.seed)
                    }
                    (violations(outcomes))
                    (cards(&summary.json()))
                    (distribution(outcomes)?)
                    (gaps(outcomes, reference)?)
                    (riders(outcomes)?)
                    h2 { "The ten worst orders" }
                    p.note { "Those that were furthest above their own zero-wait bound." }
                    (worst(outcomes))
                    (instances(summary))
                }
            }
        }
        "\n"
    };
    Ok(html.into_string())
}

fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// An entry of a picture's legend. `shape` is a class of the style sheet; empty, a square.
fn legend(shape: &str, color: &str, what: &str) -> Markup {
    html! {
        li {
            i class=(shape) style={ "background:var(--" (color) ")" } {}
            (what)
        }
    }
}

fn violations(outcomes: &[Outcome]) -> Markup {
    let infeasible: Vec<_> = outcomes.iter().filter(|o| !o.violations.is_empty()).collect();
    html! {
        @if !infeasible.is_empty() {
            div.list.alarm {
                b { "Not feasible: these figures do not count." }
                ul {
                    @for outcome in infeasible {
                        li {
                            (outcome.instance.name) ": " (plural(outcome.violations.len(), "violation"))
                            ", first: " (outcome.violations[0])
                        }
                    }
                }
            }
        }
    }
}

fn distribution(outcomes: &[Outcome]) -> Result<Markup> {
    Ok(html! {
        h2 { "Click-to-door of all orders" }
        p.note {
            "The line is what no policy can beat; the dashed lines are the means. \
             The last bar holds everything beyond it."
        }
        figure {
            ul.legend {
                (legend("", "ours", "reached"))
                (legend("line", "bound", "zero-wait bound"))
            }
            (PreEscaped(pictures::distribution(outcomes)?))
        }
    })
}

fn gaps(outcomes: &[Outcome], reference: &Reference) -> Result<Markup> {
    let ours: Vec<_> = outcomes.iter().map(|o| (o.instance.name.as_str(), o.metrics.gap)).collect();
    let compared = reference.compare(&ours);
    let policies: Vec<_> = compared.iter().map(|c| c.policy.as_str()).take(MARKS.len()).collect();
    let picture = pictures::gaps(outcomes, reference, &policies)?;
    Ok(html! {
        h2 { "Gap per instance" }
        @if !compared.is_empty() {
            (comparisons(&compared))
        }
        figure {
            ul.legend {
                (legend("", "ours", "ours"))
                @for (n, policy) in policies.iter().enumerate() {
                    (legend("dot", &format!("mark{n}"), policy))
                }
            }
            (PreEscaped(picture.svg))
            @if picture.marks_outside > 0 {
                p.note { "Beyond the right edge: " (plural(picture.marks_outside, "reference mark")) "." }
            }
        }
    })
}

fn comparisons(compared: &[Comparison]) -> Markup {
    let standard_error = |c: &Comparison| match c.difference.standard_error {
        error if error.is_finite() => format!("{error:.3}"),
        _ => "–".to_owned(),
    };
    html! {
        div.list.scroll {
            table {
                tr {
                    th { "Reference" }
                    th { "instances" }
                    th { "their gap" }
                    th { "ours − theirs" }
                    th { "standard error" }
                    th { "ours is better on" }
                }
                @for c in compared {
                    tr {
                        td { (c.policy) }
                        td { (c.difference.pairs) }
                        td { (format!("{:.2}", c.gap)) }
                        td class=(if c.difference.mean < 0.0 { "better" } else { "worse" }) {
                            (format!("{:+.2}", c.difference.mean))
                        }
                        td { (standard_error(c)) }
                        td { (c.better) }
                    }
                }
            }
        }
    }
}

/// The day with the largest gap and the one with the median gap.
fn riders(outcomes: &[Outcome]) -> Result<Markup> {
    let mut sorted: Vec<_> = outcomes.iter().filter(|o| o.metrics.gap.is_finite()).collect();
    sorted.sort_by(|a, b| b.metrics.gap.total_cmp(&a.metrics.gap));
    let largest = sorted.first().map(|o| ("biggest gap", o));
    let median = sorted.get(sorted.len() / 2).filter(|_| sorted.len() > 2).map(|o| ("median gap", o));
    Ok(html! {
        h2 { "Riders over time" }
        p.note {
            "Busy is moving or serving; waiting is standing at a restaurant for food that is already ordered; the rest \
             of those on shift are idle. Open orders are placed and not picked up."
        }
        @for (why, outcome) in largest.into_iter().chain(median) {
            figure {
                p {
                    b { (outcome.instance.name) }
                    " "
                    span.note { (why) ": " (format!("{:.2}", outcome.metrics.gap)) " minutes" }
                }
                ul.legend {
                    (legend("line", "bound", "on shift"))
                    (legend("", "ours", "busy"))
                    (legend("", "third", "waiting for food"))
                    (legend("line", "ink", "open orders"))
                }
                (PreEscaped(pictures::riders(outcome)?))
            }
        }
    })
}

fn instances(summary: &Summary) -> Markup {
    let (head, rows) = summary.table();
    let days = rows.len() - 1;
    html! {
        h2 { "Every instance" }
        details open[days <= MAX_OPEN_DAYS] {
            summary { (plural(days, "day")) }
            div.scroll {
                table {
                    tr {
                        @for cell in head { th { (cell.trim()) } }
                    }
                    @for (n, row) in rows.iter().enumerate() {
                        tr class=[(n == days).then_some("mean")] {
                            @for cell in row { td { (cell.trim()) } }
                        }
                    }
                }
            }
        }
    }
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
