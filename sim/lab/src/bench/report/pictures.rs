//! The three pictures of the report.

use anyhow::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::super::clock::clock;
use super::super::metrics::bound;
use super::super::run::Outcome;
use super::day_curves::curves;
use super::plot::{Axis, BOUND, CARD, Chart, GRID, INK, MARKS, OURS, THIRD, axes, draw, refused, text};
use super::reference::Reference;
use crate::statistics::{mean, quantile};

const WIDTH: u32 = 1_080;

/// Histogram of click-to-door over all delivered orders, with the zero-wait bound as a line.
pub fn distribution(outcomes: &[Outcome]) -> Result<String> {
    let (mut reached, mut best) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        for (order, served) in outcome.instance.orders.iter().zip(outcome.day.solution.by_order(&outcome.instance)) {
            if let Some((_, dropoff)) = served {
                reached.push((dropoff.at - order.placement) as f64);
                best.push(bound(&outcome.instance, order) as f64);
            }
        }
    }
    // The scale ends at a high quantile. The orders beyond it are counted in the last bin.
    let end = quantile(reached.clone(), 0.995).max(quantile(best.clone(), 0.995)).max(10.0);
    let width = (end / 50.0).ceil();
    let bins = (end / width).ceil() as usize + 1;
    let count = |minutes: &[f64]| {
        let mut counts = vec![0.0; bins];
        minutes.iter().for_each(|m| counts[((m / width) as usize).min(bins - 1)] += 1.0);
        counts
    };
    let (ours, bounds) = (count(&reached), count(&best));
    let top = ours.iter().chain(&bounds).copied().fold(1.0, f64::max) * 1.08;
    draw(WIDTH, 340, "Click-to-door distribution", |canvas| {
        let x = Axis {
            range: 0.0..bins as f64 * width,
            labels: 14,
            format: &|m| format!("{m:.0}"),
            what: "click-to-door, minutes",
            room: 44,
        };
        let y = Axis { range: 0.0..top, labels: 6, format: &|n| format!("{n:.0}"), what: "orders", room: 64 };
        let mut chart = axes(canvas, x, y, false)?;
        let bars = ours.iter().enumerate().map(|(n, &count)| {
            let from = n as f64 * width;
            let mut bar = Rectangle::new([(from, 0.0), (from + width, count)], OURS.filled());
            bar.set_margin(0, 0, 1, 1);
            bar
        });
        chart.draw_series(bars).map_err(refused)?;
        let steps = bounds
            .iter()
            .enumerate()
            .flat_map(|(n, &count)| [(n as f64 * width, count), ((n + 1) as f64 * width, count)]);
        chart.draw_series(LineSeries::new(steps, BOUND.stroke_width(2))).map_err(refused)?;
        for (at, color) in [(mean(&reached), INK), (mean(&best), BOUND)] {
            dashes(&mut chart, at, top, color)?;
        }
        Ok(())
    })
}

/// A vertical dashed line.
fn dashes(chart: &mut Chart<'_, '_>, at: f64, top: f64, color: RGBColor) -> Result<()> {
    const DASHES: usize = 24;
    let step = top / DASHES as f64;
    let dash =
        |n: usize| PathElement::new(vec![(at, n as f64 * step), (at, (n as f64 + 0.5) * step)], color.stroke_width(2));
    chart.draw_series((0..DASHES).map(dash)).map_err(refused)?;
    Ok(())
}

/// A picture of gaps.
pub struct GapPicture {
    pub svg: String,
    /// Marks of reference policies beyond the end of the scale.
    pub marks_outside: usize,
}

/// The gap of each instance, largest on top, with marks for the reference policies.
pub fn gaps(outcomes: &[Outcome], reference: &Reference, policies: &[&str]) -> Result<GapPicture> {
    let mut rows: Vec<_> = outcomes.iter().map(|o| (o.instance.name.as_str(), o.metrics.gap)).collect();
    rows.retain(|(_, gap)| gap.is_finite());
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mark = |name: &str, policy: &str| reference.gap(policy, name);
    let marks: Vec<f64> = rows.iter().flat_map(|(name, _)| policies.iter().filter_map(|p| mark(name, p))).collect();
    // The scale ends at a high quantile of the marks, so that an outlier does not compress the rest.
    let biggest = rows.iter().map(|(_, gap)| *gap).fold(0.5, f64::max);
    let end = if marks.is_empty() { biggest } else { quantile(marks.clone(), 0.9).max(biggest) } * 1.05;
    let marks_outside = marks.iter().filter(|gap| **gap > end).count();
    let height = rows.len() as u32 * 17 + 70;
    let svg = draw(WIDTH, height, "Gap per instance", |canvas| {
        let format = |m: &f64| if end > 8.0 { format!("{m:.0}") } else { format!("{m:.1}") };
        let x = Axis {
            range: 0.0..end,
            labels: 12,
            format: &format,
            what: "gap to the zero-wait bound, minutes",
            room: 44,
        };
        let y =
            Axis { range: 0.0..rows.len().max(1) as f64, labels: 0, format: &|_| String::new(), what: "", room: 150 };
        let mut chart = axes(canvas, x, y, true)?;
        let bars = rows.iter().enumerate().map(|(n, (_, gap))| {
            let mut bar = Rectangle::new([(0.0, n as f64), (gap.max(0.0), n as f64 + 1.0)], OURS.filled());
            bar.set_margin(3, 3, 0, 0);
            bar
        });
        chart.draw_series(bars).map_err(refused)?;
        for (policy, color) in policies.iter().zip(MARKS) {
            let seen = rows.iter().enumerate().filter_map(|(n, (name, _))| Some((n, mark(name, policy)?)));
            let seen = seen.filter(|(_, gap)| *gap <= end);
            // A rim separates the mark from the bar and from other marks.
            let rimmed = seen.flat_map(|(n, gap)| [(gap, n, 5, CARD), (gap, n, 4, color)]);
            let mark = |(gap, n, size, color): (f64, usize, i32, RGBColor)| {
                Circle::new((gap, n as f64 + 0.5), size, color.filled())
            };
            chart.draw_series(rimmed.map(mark)).map_err(refused)?;
        }
        for (n, (name, _)) in rows.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(0.0, n as f64 + 0.5));
            canvas.draw(&Text::new((*name).to_owned(), (x - 8, y), text(HPos::Right))).map_err(refused)?;
        }
        Ok(())
    })?;
    Ok(GapPicture { svg, marks_outside })
}

/// Couriers by activity, and open orders, over the day.
pub fn riders(outcome: &Outcome) -> Result<String> {
    let curves = curves(&outcome.instance, &outcome.day.solution);
    // In hours, so that the axis labels fall on full hours.
    let at = |n: usize| (curves.first as f64 + n as f64) / 60.0;
    let (first, last) = (at(0), at(curves.on_shift.len()));
    let line = |counts: &[i64]| counts.iter().enumerate().map(|(n, &count)| (at(n), count as f64)).collect::<Vec<_>>();
    let stacked: Vec<i64> = curves.busy.iter().zip(&curves.waiting).map(|(busy, waiting)| busy + waiting).collect();
    let all = [&curves.on_shift, &stacked, &curves.open];
    let top = all.iter().flat_map(|counts| counts.iter()).max().copied().unwrap_or(0).max(1) as f64 * 1.08;
    draw(WIDTH, 320, "Riders over time", |canvas| {
        let x = Axis {
            range: first..last,
            labels: 12,
            format: &|hours| clock((hours * 60.0).round() as i64),
            what: "time of day",
            room: 44,
        };
        let y = Axis { range: 0.0..top, labels: 6, format: &|n| format!("{n:.0}"), what: "riders, orders", room: 64 };
        let mut chart = axes(canvas, x, y, false)?;
        chart.draw_series(AreaSeries::new(line(&stacked), 0.0, THIRD.filled())).map_err(refused)?;
        chart.draw_series(AreaSeries::new(line(&curves.busy), 0.0, OURS.filled())).map_err(refused)?;
        chart.draw_series(LineSeries::new(line(&curves.on_shift), BOUND.stroke_width(2))).map_err(refused)?;
        chart.draw_series(LineSeries::new(line(&curves.open), INK.stroke_width(2))).map_err(refused)?;
        chart.draw_series([PathElement::new(vec![(first, 0.0), (last, 0.0)], GRID)]).map_err(refused)?;
        Ok(())
    })
}
