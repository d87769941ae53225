//! A plot as data, and as SVG by plotters.

use super::axis::{Axis, as_float};
use super::role::Role;
use crate::escape::terminal;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Circle, Color, DrawingArea, IntoDrawingArea,
    PathElement, Polygon, Rectangle, SVGBackend, Text, TextStyle,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{IntoFont, ShapeStyle};

/// Something drawn, in the values of the axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// A point.
    Dot(Role, f64, f64),
    /// A faint point, of which there are many.
    Speck(Role, f64, f64),
    /// A line through points.
    Line(Role, Vec<(f64, f64)>),
    /// A thin line through points: an interval, a fit.
    Thin(Role, Vec<(f64, f64)>),
    /// A filled rectangle between two corners.
    Bar(Role, (f64, f64), (f64, f64)),
    /// A line from bottom to top with a word above it, which is left out where it has no room.
    Upright(f64, String),
    /// A word to the right of a point.
    Word(f64, f64, String),
}

/// A plot. Lengths are in the SVG's own units, two to a pixel of a page as wide as it can be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plot {
    /// What it shows, for those who hear it.
    pub(super) title: String,
    /// Width and height.
    pub(super) size: (u32, u32),
    /// The room left of the vertical axis, for its labels.
    pub(super) left: u32,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) marks: Vec<Mark>,
}

/// As wide as the page.
pub(super) const WIDE: (u32, u32) = (1800, 640);
/// One of two side by side.
pub(super) const HALF: (u32, u32) = (880, 500);
/// Room for numbers beside an axis.
pub(super) const NUMBERS: u32 = 120;

const FONT: u32 = 25;
const MARGIN_RIGHT: u32 = 70;
const ABOVE: u32 = 44;
const BELOW: u32 = 86;

type Coordinates = Cartesian2d<Axis, Axis>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Coordinates>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

impl Plot {
    /// The SVG element; empty when plotters cannot draw it, which it can.
    pub(super) fn svg(&self) -> String {
        let mut svg = String::new();
        let drawn = self.draw(&SVGBackend::with_string(&mut svg, self.size).into_drawing_area());
        debug_assert!(drawn.is_ok(), "{drawn:?}");
        if drawn.is_err() {
            return String::new();
        }
        let title = super::html::text(&self.title);
        svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{title}\" "), 1)
    }

    fn draw(&self, root: &Area) -> Drawn {
        let uprights = self.marks.iter().any(|mark| matches!(mark, Mark::Upright(..)));
        let rows = u32::from(!self.y.title.is_empty()) + u32::from(uprights);
        let top = ABOVE * rows + FONT / 2;
        let mut x = self.x.clone();
        x.ticks = self.roomy(&x.ticks);
        let mut chart = ChartBuilder::on(root)
            .margin_top(top)
            .margin_right(MARGIN_RIGHT)
            .x_label_area_size(if self.x.title.is_empty() { BELOW / 2 } else { BELOW })
            .y_label_area_size(self.left)
            .build_cartesian_2d(x, self.y.clone())?;
        self.mesh(&mut chart)?;
        for mark in &self.marks {
            self.mark(root, &mut chart, mark)?;
        }
        self.words_above(root, top)?;
        root.present()?;
        Ok(())
    }

    fn mesh(&self, chart: &mut Chart) -> Drawn {
        let label = |axis: &Axis, place: f64| {
            let found = axis.ticks.iter().find(|(tick, _)| *tick == place);
            found.map_or_else(String::new, |(_, label)| terminal(label))
        };
        let rows = self.y.title.is_empty();
        let x_label = |place: &f64| label(&self.x, *place);
        let y_label = |place: &f64| label(&self.y, *place);
        let mut mesh = chart.configure_mesh();
        if !rows {
            mesh.disable_x_mesh();
        }
        mesh.bold_line_style(Role::Grid.colour().stroke_width(2))
            .light_line_style(Role::Grid.colour().mix(0.0))
            .axis_style(Role::Grid.colour().stroke_width(2))
            .label_style(style(Role::Muted))
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .x_labels(self.x.ticks.len())
            .y_labels(self.y.ticks.len())
            .x_desc(terminal(&self.x.title))
            .axis_desc_style(style(Role::Muted))
            .draw()?;
        Ok(())
    }

    fn mark(&self, root: &Area, chart: &mut Chart, mark: &Mark) -> Drawn {
        let at = |(x, y): (f64, f64)| (self.x.place(x), self.y.place(y));
        match mark {
            Mark::Dot(role, x, y) => {
                let outline = polygon(chart.backend_coord(&at((*x, *y))), role.shape());
                if outline.is_empty() {
                    let dot = Circle::new(at((*x, *y)), 8, role.colour().filled());
                    chart.draw_series([dot])?;
                } else {
                    root.draw(&Polygon::new(outline, role.colour().filled()))?;
                }
            }
            Mark::Speck(role, x, y) => {
                let faint = role.colour().mix(0.55).filled();
                chart.draw_series([Circle::new(at((*x, *y)), 5, faint)])?;
            }
            Mark::Line(role, points) => line(chart, points.iter().copied().map(at), *role, 5)?,
            Mark::Thin(role, points) => line(chart, points.iter().copied().map(at), *role, 3)?,
            Mark::Bar(role, from, to) => {
                let filled = role.colour().mix(0.85).filled();
                chart.draw_series([Rectangle::new([at(*from), at(*to)], filled)])?;
            }
            Mark::Upright(x, _) => {
                let (x, y) = (self.x.place(*x), &self.y.range);
                line(chart, [(x, y.start), (x, y.end)].into_iter(), Role::Ink, 2)?;
            }
            Mark::Word(x, y, word) => {
                let left = style(Role::Ink).pos(Pos::new(HPos::Left, VPos::Center));
                let place = chart.backend_coord(&at((*x, *y)));
                root.draw(&Text::new(terminal(word), (place.0 + 14, place.1), left))?;
            }
        }
        Ok(())
    }

    /// What stands above the plot: the vertical axis' title, and the words of uprights.
    fn words_above(&self, root: &Area, top: u32) -> Drawn {
        if !self.y.title.is_empty() {
            let title = shortened(&terminal(&self.y.title), self.size.0 - MARGIN_RIGHT);
            root.draw(&Text::new(title, (pixels(FONT / 2), pixels(FONT / 2)), style(Role::Muted)))?;
        }
        let uprights = self.marks.iter().filter_map(|mark| match mark {
            Mark::Upright(x, word) => Some((self.x.place(*x), word.clone())),
            _ => None,
        });
        let centred = style(Role::Ink).pos(Pos::new(HPos::Center, VPos::Bottom));
        let words: Vec<_> = uprights.collect();
        for (place, word) in self.roomy(&words) {
            let at = (self.pixel(place), pixels(top) - 6);
            root.draw(&Text::new(terminal(&word), at, centred.clone()))?;
        }
        Ok(())
    }

    /// Where a place of the horizontal axis is.
    fn pixel(&self, place: f64) -> i32 {
        self.x.map(&place, (pixels(self.left), pixels(self.size.0 - MARGIN_RIGHT)))
    }

    /// Those of some labels along the horizontal axis that do not run into the one before.
    fn roomy(&self, labels: &[(f64, String)]) -> Vec<(f64, String)> {
        let mut free = i32::MIN;
        let mut kept = Vec::new();
        for (place, label) in labels {
            let (middle, half) = (self.pixel(*place), width(label) / 2);
            let fits = middle + half <= pixels(self.size.0);
            if middle.saturating_sub(half) >= free && fits {
                free = middle + half + pixels(FONT) / 2;
                kept.push((*place, label.clone()));
            }
        }
        kept
    }
}

fn line(
    chart: &mut Chart,
    points: impl Iterator<Item = (f64, f64)>,
    role: Role,
    width: u32,
) -> Drawn {
    let style: ShapeStyle = role.colour().stroke_width(width);
    chart.draw_series([PathElement::new(points.collect::<Vec<_>>(), style)])?;
    Ok(())
}

/// A shape about a point.
fn polygon((x, y): (i32, i32), shape: &[(i32, i32)]) -> Vec<(i32, i32)> {
    shape.iter().map(|(right, down)| (x + right, y + down)).collect()
}

fn style(role: Role) -> TextStyle<'static> {
    // plotters divides by 1.24 what it is given.
    ("sans-serif", f64::from(FONT) * 1.24).into_font().color(&role.colour())
}

/// About how wide a text is: seven tenths of the font's size for a letter, twice that for those
/// outside of Latin, which may be wide.
pub(super) fn width(text: &str) -> i32 {
    let halves = text.chars().map(|c| if u32::from(c) < 0x300 { 1 } else { 2 }).sum::<usize>();
    #[expect(clippy::cast_possible_truncation, reason = "labels are short")]
    let width = (as_float(halves) * f64::from(FONT) * 0.62) as i32;
    width
}

/// As much of a text as fits.
pub(super) fn shortened(text: &str, room: u32) -> String {
    if width(text) <= pixels(room) {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if width(&short) + width("……") > pixels(room) {
            break;
        }
        short.push(c);
    }
    short + "…"
}

fn pixels(length: u32) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}
