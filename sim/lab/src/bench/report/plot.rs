//! Pictures by `plotters`, in the colours of the page.
//!
//! The library writes fixed colours; the page has a light and a dark set. So each colour here is a placeholder, which
//! becomes a variable of the page's style sheet once the picture is drawn.

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
/// What we reach.
pub const OURS: RGBColor = RGBColor(1, 2, 5);
/// What nobody can beat, and whatever else is not ours.
pub const BOUND: RGBColor = RGBColor(1, 2, 6);
/// A third thing in the picture.
pub const THIRD: RGBColor = RGBColor(1, 2, 7);
/// What the picture lies on.
pub const CARD: RGBColor = RGBColor(1, 2, 8);
/// Up to as many reference policies are told apart.
pub const MARKS: [RGBColor; 6] =
    [RGBColor(1, 3, 1), RGBColor(1, 3, 2), RGBColor(1, 3, 3), RGBColor(1, 3, 4), RGBColor(1, 3, 5), RGBColor(1, 3, 6)];

/// A picture's canvas.
pub type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a picture of that many pixels at its full size; the page scales it.
///
/// # Errors
/// The drawing library refuses; it has no reason to.
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

/// What the library's errors become.
pub fn refused<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("the picture cannot be drawn: {error}")
}

/// The way text looks, anchored at its right or left end, or in the middle.
#[must_use]
pub fn text(anchor: HPos) -> TextStyle<'static> {
    ("sans-serif", 12).into_font().color(&INK).pos(Pos::new(anchor, VPos::Center))
}

/// A picture with two axes of numbers.
pub type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// One axis of a picture.
pub struct Axis<'f> {
    /// From where to where.
    pub range: Range<f64>,
    /// About how many labels.
    pub labels: usize,
    /// How a number is written.
    pub format: &'f dyn Fn(&f64) -> String,
    /// What the numbers are.
    pub what: &'f str,
    /// Pixels for the labels; none, no labels.
    pub room: u32,
}

/// Axes, grid and labels, the same in all pictures. The grid follows the labels of one axis: the vertical one, or with
/// `upright` lines the horizontal one.
///
/// # Errors
/// The drawing library refuses; it has no reason to.
pub fn axes<'a, 'b>(canvas: &'a Canvas<'b>, x: Axis<'_>, y: Axis<'_>, upright: bool) -> Result<Chart<'a, 'b>> {
    let mut builder = ChartBuilder::on(canvas);
    builder.margin(8).margin_right(16).x_label_area_size(x.room).y_label_area_size(y.room);
    let mut chart = builder.build_cartesian_2d(x.range, y.range).map_err(refused)?;
    let mut mesh = chart.configure_mesh();
    if upright {
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
