//! Pieces of HTML. Everything that is text goes through [`text`].

use super::role::Role;
use crate::escape::terminal;
use std::fmt::Write;

/// Text as it may stand between tags and in attributes.
pub(super) fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in terminal(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column<'a> {
    /// Words.
    Text(&'a str),
    /// Numbers.
    Number(&'a str),
}

/// What stands for a number that is not known.
pub(super) const NOTHING: &str = "–";

/// A table of texts; nothing without rows.
pub(super) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    // A column in which nothing is ever said is left out.
    let (columns, rows) = with_content(columns, rows);
    let class = |column: &Column| match column {
        Column::Text(_) => "",
        Column::Number(_) => " class=\"n\"",
    };
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    for column in &columns {
        let (Column::Text(name) | Column::Number(name)) = column;
        push(&mut html, format_args!("<th{}>{}</th>", class(column), text(name)));
    }
    html.push_str("</tr></thead><tbody>\n");
    for row in &rows {
        html.push_str("<tr>");
        for (column, cell) in columns.iter().zip(row) {
            let cell = match column {
                Column::Text(_) => text(cell),
                Column::Number(_) => together(&text(cell)),
            };
            push(&mut html, format_args!("<td{}>{cell}</td>", class(column)));
        }
        html.push_str("</tr>\n");
    }
    html + "</tbody></table></div>\n"
}

/// Numbers stay beside their units; a range may break before its second, and an error before it.
fn together(numbers: &str) -> String {
    let joined = numbers.replace(' ', "\u{a0}");
    joined.replace("\u{a0}to\u{a0}", " to\u{a0}").replace("\u{a0}±\u{a0}", " ±\u{a0}")
}

fn with_content<'a>(
    columns: &[Column<'a>],
    rows: &'a [Vec<String>],
) -> (Vec<Column<'a>>, Vec<Vec<&'a str>>) {
    let says = |cell: &String| !["", NOTHING].contains(&cell.as_str());
    let said = |n: usize| rows.iter().any(|row| row.get(n).is_some_and(says));
    let kept: Vec<usize> = (0..columns.len()).filter(|n| said(*n)).collect();
    let cells = |row: &'a Vec<String>| kept.iter().filter_map(|n| row.get(*n)).map(String::as_str);
    (
        kept.iter().map(|n| columns[*n]).collect(),
        rows.iter().map(|row| cells(row).collect()).collect(),
    )
}

/// A plot with what belongs to it.
#[derive(Debug, Default)]
pub(super) struct Figure {
    /// What it shows.
    pub(super) title: String,
    /// How to read it.
    pub(super) note: String,
    /// Names of its series, where there are several.
    pub(super) legend: Vec<(Role, String)>,
    /// The plot.
    pub(super) svg: String,
    /// The table under it.
    pub(super) table: String,
}

impl Figure {
    pub(super) fn html(&self) -> String {
        let mut html = format!("<figure>\n<figcaption>{}", text(&self.title));
        if self.legend.len() > 1 {
            html.push_str("<span class=\"legend\">");
            for (role, name) in &self.legend {
                let swatch =
                    format_args!("<span><i class=\"{}\"></i>{}</span> ", role.name(), text(name));
                push(&mut html, swatch);
            }
            html.push_str("</span>");
        }
        push(&mut html, format_args!("</figcaption>\n<div class=\"scroll\">{}</div>\n", self.svg));
        if !self.note.is_empty() {
            push(&mut html, format_args!("<p class=\"note\">{}</p>\n", text(&self.note)));
        }
        html + &self.table + "</figure>\n"
    }
}

/// A section; nothing without content.
pub(super) fn section(id: &str, title: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{content}</section>\n", text(title))
}

/// Figures side by side where the page is wide enough; nothing without one.
pub(super) fn side_by_side(figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let inner: String = figures.iter().map(Figure::html).collect();
    format!("<div class=\"pairs\">\n{inner}</div>\n")
}

/// The most figures of a section: more of them nobody looks at.
const FIGURES: usize = 24;

/// As many as a section draws, those with the least keys, in their order; and what is said of the others.
pub(super) fn some_of<K: Ord + Copy, T>(figures: Vec<(K, T)>) -> (Vec<T>, String) {
    let left = match figures.len().saturating_sub(FIGURES) {
        0 => String::new(),
        more => {
            format!("<p class=\"note\">{more} more are not drawn; the raw results have them.</p>\n")
        }
    };
    let mut chosen: Vec<_> = figures.into_iter().enumerate().collect();
    chosen.sort_by_key(|(_, (key, _))| *key);
    chosen.truncate(FIGURES);
    chosen.sort_by_key(|(place, _)| *place);
    (chosen.into_iter().map(|(_, (_, figure))| figure).collect(), left)
}

/// Adds to a string.
pub(super) fn push(html: &mut String, piece: std::fmt::Arguments) {
    // Writing to a string cannot fail.
    let _infallible = html.write_fmt(piece);
}
