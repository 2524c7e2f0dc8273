//! How does the whole answer look as one page?
//!
//! One file that works without a network: style, font and pictures are inside, and there is no script. The first screen has
//! the question, the verdicts and one sentence that says why. Every picture has its numbers folded beneath it. The page
//! follows the reader's choice of light or dark, and prints on A4 in black and white.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{svg, theme};
use crate::figure::Figure;
use crate::report::{Provenance, Report, Section, Warning};
use crate::table::{Align, Cell, Row, RowKind, Table, Verdict};

/// The page, ready to be written to a file.
pub fn page(report: &Report) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(report.provenance.program);
                title { (report.title) }
                style { (PreEscaped(style())) }
            }
            body { main {
                (first_screen(report))
                @for (index, section) in report.sections.iter().enumerate() { (section_of(index, section)) }
                (trust(report))
                (again(&report.provenance))
            } }
        }
    }
    .into_string()
}

/// The style sheet, with the font and the dark counterparts of the figures' greys.
fn style() -> String {
    let dark: String = theme::DARK
        .iter()
        .map(|(light, dark)| {
            let (light, dark) = (light.hex(), dark.hex());
            format!("figure svg [fill=\"{light}\"]{{fill:{dark}}}figure svg [stroke=\"{light}\"]{{stroke:{dark}}}")
        })
        .collect();
    // On paper the figures keep their own colours, whatever the screen prefers.
    let sheet = include_str!("page.css").replace(
        "@media (prefers-color-scheme:dark)",
        "@media screen and (prefers-color-scheme:dark)",
    );
    theme::font_faces() + &sheet.replace("/*figures*/", &dark)
}

fn first_screen(report: &Report) -> Markup {
    html! {
        header {
            div class="eyebrow" { (report.provenance.program) " · " (report.provenance.scenario) }
            h1 { (report.title) }
            @if !report.simulated.is_empty() { p { (report.simulated) } }
        }
        @if let Some(verdicts) = &report.verdicts {
            div class="strip" { (table(verdicts, false)) }
        }
        @if !report.because.is_empty() { p class="because" { b { "Because " } (report.because) } }
        @for warning in &report.warnings { (warning_of(warning)) }
        nav {
            @for (index, section) in report.sections.iter().enumerate() { a href={ "#s" (index) } { (section.title) } }
        }
    }
}

fn section_of(index: usize, section: &Section) -> Markup {
    html! {
        section id={ "s" (index) } {
            h2 { (section.title) }
            @if !section.text.is_empty() { p { (section.text) } }
            @for one in &section.tables { (table(one, true)) }
                        @for one in &section.details {
                details { summary { (one.title) } (table(one, false)) }
            }
            @for figure in &section.figures { (figure_of(figure)) }
        }
    }
}

fn figure_of(figure: &Figure) -> Markup {
    html! {
        figure {
            (PreEscaped(svg::inline(figure)))
            figcaption {
                details { summary { "The numbers of this figure" } (table(&figure.table, false)) }
            }
        }
    }
}

fn warning_of(warning: &Warning) -> Markup {
    html! {
        p class="warning" {
            b { "Before you trust this " }
            @if !warning.code.is_empty() { code { (warning.code) } " " }
            (warning.text)
            @if !warning.help.is_empty() { span class="quiet" { ": " (warning.help) } }
        }
    }
}

/// What was assumed, and every parameter.
fn trust(report: &Report) -> Markup {
    html! {
        @if let Some(assumptions) = &report.assumptions {
            section { h2 { "What was assumed" } (table(assumptions, false)) }
        }
        @if let Some(parameters) = &report.parameters {
            section class="screen" {
                h2 { "Every parameter" }
                details { summary { (parameters.rows.len()) " parameters, defaults included" } (table(parameters, false)) }
            }
        }
    }
}

fn again(provenance: &Provenance) -> Markup {
    html! {
        section {
            h2 { "Run it again" }
            p { "The same scenario and seed give the same bytes on any machine." }
            pre { (provenance.command) }
            dl {
                dt { "program" } dd { (provenance.program) }
                dt { "scenario" } dd { (provenance.scenario) }
                dt { "seed" } dd { (provenance.seed) }
                dt { "runs" } dd { (provenance.runs.join(", ")) }
                dt { "fingerprint" } dd { code { (provenance.fingerprint) } }
            }
        }
    }
}

/// One table; `titled` ones bring their own heading.
fn table(table: &Table, titled: bool) -> Markup {
    html! {
        @if titled { h3 { (table.title) } }
        @if titled && !table.question.is_empty() { p class="quiet" { (table.question) } }
        div class="scroll" {
            table {
                thead { tr { @for column in &table.columns { th scope="col" class=[number(column.align)] { (column.full_heading()) } } } }
                tbody { @for (index, row) in table.rows.iter().enumerate() { (row_of(table, row, table.rows.get(index + 1))) } }
            }
        }
        @for note in &table.notes { p class="note" { (note) } }
    }
}

fn row_of(table: &Table, row: &Row, next: Option<&Row>) -> Markup {
    let led = next.is_some_and(|next| next.kind == RowKind::Detail);
    let class = match row.kind {
        RowKind::Body if led => Some("led"),
        RowKind::Body => None,
        RowKind::Detail if led => Some("detail led"),
        RowKind::Detail => Some("detail"),
        RowKind::Summary => Some("summary"),
    };
    html! {
        tr class=[class] {
            @for (cell, column) in row.cells.iter().zip(&table.columns) {
                td class=[class_of(cell, column.align)] { (words(cell)) }
            }
        }
    }
}

fn words(cell: &Cell) -> Markup {
    match cell {
        Cell::Judged(value, verdict) => {
            html! { (mark(*verdict, verdict.word())) " " (words(value)) }
        }
        Cell::Verdict(verdict, text) => mark(*verdict, text),
        other => html! { (other.value()) },
    }
}

/// A verdict: colour, sign and word say the same.
fn mark(verdict: Verdict, text: &str) -> Markup {
    let class = match verdict {
        Verdict::Met => "verdict met",
        Verdict::Undecided => "verdict undecided",
        Verdict::Missed => "verdict missed",
    };
    html! { span class=(class) { (verdict.sign()) " " (text) } }
}

fn class_of(cell: &Cell, align: Align) -> Option<&'static str> {
    match cell {
        Cell::Text(text) if text.chars().count() > 40 => Some("words"),
        _ => number(align),
    }
}

fn number(align: Align) -> Option<&'static str> {
    (align == Align::Right).then_some("number")
}
