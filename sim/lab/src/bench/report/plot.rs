//! SVG pictures by `plotters`, in the colours of the page.
//!
//! `plotters` writes fixed colours, but the page has a light and a dark theme. Each colour here is a placeholder that
//! [`draw`] replaces with a variable of the style sheet.

use std::ops::Range;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Text and axes.
pub const INK: RGBColor = RGBColor(1, 2, 3);
/// Lines of the grid.
pub const GRID: RGBColor = RGBColor(1, 2, 4);
/// Our results.
pub const OURS: RGBColor = RGBColor(1, 2, 5);
/// The zero-wait bound, and other values that are not results of ours.
pub const BOUND: RGBColor = RGBColor(1, 2, 6);
/// A third series.
pub const THIRD: RGBColor = RGBColor(1, 2, 7);
/// Background.
pub const CARD: RGBColor = RGBColor(1, 2, 8);
/// Reference policies; further ones are not drawn.
pub const MARKS: [RGBColor; 6] =
    [RGBColor(1, 3, 1), RGBColor(1, 3, 2), RGBColor(1, 3, 3), RGBColor(1, 3, 4), RGBColor(1, 3, 5), RGBColor(1, 3, 6)];

/// A picture's canvas.
pub type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a picture and returns it as SVG. Width and height are in pixels; the page scales it. `title` is its accessible
/// name.
///
/// # Errors
/// `plotters` fails to draw.
pub fn draw(width: u32, height: u32, title: &str, picture: impl FnOnce(&Canvas<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        picture(&canvas)?;
        canvas.present().map_err(refused)?;
    }
    let named = [(INK, "ink".to_owned()), (GRID, "grid".into()), (OURS, "ours".into())];
    let named = named.into_iter().chain([(BOUND, "bound".into()), (THIRD, "third".into()), (CARD, "card".into())]);
    let marks = MARKS.iter().enumerate().map(|(n, color)| (*color, format!("mark{n}")));
    for (color, name) in named.chain(marks) {
        let RGBColor(r, g, b) = color;
        svg = svg.replace(&format!("\"#{r:02X}{g:02X}{b:02X}\""), &format!("\"var(--{name})\""));
    }
    Ok(svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1))
}

/// Converts an error of `plotters`.
pub fn refused<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("the picture cannot be drawn: {error}")
}

/// The text style, vertically centred, with the given horizontal anchor.
#[must_use]
pub fn text(anchor: HPos) -> TextStyle<'static> {
    ("sans-serif", 12).into_font().color(&INK).pos(Pos::new(anchor, VPos::Center))
}

/// A chart with two numeric axes.
pub type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// An axis of a chart.
pub struct Axis<'f> {
    /// First and last value.
    pub range: Range<f64>,
    /// Approximate number of labels.
    pub labels: usize,
    /// Formats the labels.
    pub format: &'f dyn Fn(&f64) -> String,
    /// Title of the axis.
    pub what: &'f str,
    /// Space for labels and title, pixels; 0 hides the labels.
    pub room: u32,
}

/// Draws axes, labels and grid lines: vertical lines with `vertical_grid`, else horizontal ones.
///
/// # Errors
/// `plotters` fails to draw.
pub fn axes<'a, 'b>(canvas: &'a Canvas<'b>, x: Axis<'_>, y: Axis<'_>, vertical_grid: bool) -> Result<Chart<'a, 'b>> {
    let mut builder = ChartBuilder::on(canvas);
    builder.margin(8).margin_right(16).x_label_area_size(x.room).y_label_area_size(y.room);
    let mut chart = builder.build_cartesian_2d(x.range, y.range).map_err(refused)?;
    let mut mesh = chart.configure_mesh();
    if vertical_grid {
        mesh.disable_y_mesh();
    } else {
        mesh.disable_x_mesh();
    }
    mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).axis_style(GRID).label_style(text(HPos::Center));
    mesh.x_labels(x.labels).x_label_formatter(x.format).x_desc(x.what);
    mesh.y_labels(y.labels).y_label_formatter(y.format).y_desc(y.what);
    mesh.draw().map_err(refused)?;
    Ok(chart)
}
