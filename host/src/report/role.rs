//! Colours by what they are for: plots name a role, the style sheet says how it looks in light,
//! dark and print.

use plotters::style::RGBColor;
use std::fmt::Write;

/// What a colour is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Text and what must stand out without being a series.
    Ink,
    /// Text of axes.
    Muted,
    /// Lines of the grid.
    Grid,
    /// A series, by its place.
    Series(usize),
}

/// How many series have a colour of their own.
pub(super) const SERIES: usize = 4;

/// Name of the variable, light, dark.
const COLOURS: [(&str, u32, u32); 3 + SERIES] = [
    ("ink", 0x1c_2024, 0xe8_eaed),
    ("muted", 0x5f_666d, 0xa3_abb3),
    ("grid", 0xdd_e1e5, 0x3a_4047),
    ("series-1", 0x2a_78d6, 0x62_a4ee),
    ("series-2", 0xd9_540c, 0xff_9350),
    ("series-3", 0x17_8f63, 0x3c_c491),
    ("series-4", 0x70_48c6, 0xae_93f2),
];

/// A circle, a square, a triangle and a diamond.
const SHAPES: [&[(i32, i32)]; SERIES] = [
    &[],
    &[(-7, -7), (7, -7), (7, 7), (-7, 7)],
    &[(0, -10), (9, 7), (-9, 7)],
    &[(0, -10), (10, 0), (0, 10), (-10, 0)],
];

/// Dashes of a series' lines on paper, which may have no colours.
const DASHES: [&str; SERIES] = ["none", "22 10", "5 8", "22 8 5 8"];

impl Role {
    fn entry(self) -> (&'static str, u32, u32) {
        COLOURS[match self {
            Self::Ink => 0,
            Self::Muted => 1,
            Self::Grid => 2,
            Self::Series(n) => 3 + n % SERIES,
        }]
    }

    /// The outline of its points, so that they are told apart without colours too; a circle where there is none. The
    /// style sheet has the same for legends.
    pub(super) fn shape(self) -> &'static [(i32, i32)] {
        match self {
            Self::Series(n) => SHAPES[n % SERIES],
            Self::Ink | Self::Muted | Self::Grid => &[],
        }
    }

    /// The name of its variable in the style sheet.
    pub(super) fn name(self) -> &'static str {
        self.entry().0
    }

    /// Its colour in light, by which the style sheet finds it as well.
    pub(super) fn colour(self) -> RGBColor {
        let [_, red, green, blue] = self.entry().1.to_be_bytes();
        RGBColor(red, green, blue)
    }
}

/// The part of the style sheet that gives roles their colours.
pub(super) fn style() -> String {
    let mut css = String::new();
    let variables = |pick: fn(&(&str, u32, u32)) -> u32| -> String {
        COLOURS.iter().map(|each| format!("--{}:#{:06x};", each.0, pick(each))).collect()
    };
    let (light, dark) = (variables(|each| each.1), variables(|each| each.2));
    let dark_screen = "@media screen and (prefers-color-scheme:dark)";
    let mut add = |line: String| {
        // Writing to a string cannot fail.
        let _infallible = writeln!(css, "{line}");
    };
    add(format!(":root{{{light}}}"));
    add(format!("{dark_screen}{{:root{{{dark}}}}}"));
    for (name, light, _) in COLOURS {
        for attribute in ["fill", "stroke"] {
            add(format!("svg [{attribute}=\"#{light:06X}\"]{{{attribute}:var(--{name})}}"));
        }
    }
    for (n, dashes) in DASHES.iter().enumerate().skip(1) {
        let [_, red, green, blue] = COLOURS[3 + n].1.to_be_bytes();
        let line = format!("svg polyline[stroke=\"#{red:02X}{green:02X}{blue:02X}\"]");
        add(format!("@media print{{{line}{{stroke-dasharray:{dashes}}}}}"));
    }
    css
}
