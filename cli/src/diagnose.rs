//! How a complaint looks: file, line and column, the piece of text, what to do.

use std::fmt;
use std::io::IsTerminal;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use scenarios::diagnostic::{Diagnostic, Label, Severity};
use scenarios::source::{Source, SourceId, Sources, Span};

use crate::print;

/// Lines longer than this are shown in part.
const LONGEST_EXCERPT_BYTES: usize = 1000;

/// How much of a very long line is shown on either side of the place.
const AROUND_BYTES: usize = 40;

/// Prints complaints to standard error, in colour where that is a terminal.
pub(crate) fn show(diagnostics: &[Diagnostic], sources: &Sources) {
    let plain = !std::io::stderr().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    let theme = if plain {
        GraphicalTheme::unicode_nocolor()
    } else {
        GraphicalTheme::unicode()
    };
    for diagnostic in diagnostics {
        print::remark(&rendered(diagnostic, sources, theme.clone()));
    }
}

fn rendered(diagnostic: &Diagnostic, sources: &Sources, theme: GraphicalTheme) -> String {
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(100)
        .with_context_lines(1)
        .with_links(false);
    let mut text = String::new();
    let report = Report::new(diagnostic, sources);
    match handler.render_report(&mut text, &report) {
        Ok(()) => text,
        Err(_) => format!("{}: {}", diagnostic.code, diagnostic.message),
    }
}

/// One complaint in miette's terms: one text with its labels; labels in other texts follow as notes.
#[derive(Debug)]
struct Report<'a> {
    code: Option<&'static str>,
    severity: miette::Severity,
    message: String,
    help: Option<String>,
    excerpt: Option<Excerpt<'a>>,
    labels: Vec<LabeledSpan>,
    notes: Vec<Report<'a>>,
}

impl<'a> Report<'a> {
    fn new(diagnostic: &Diagnostic, sources: &'a Sources) -> Self {
        let first = diagnostic.labels.first().map(|label| label.span.source);
        let here = diagnostic
            .labels
            .iter()
            .filter(|label| Some(label.span.source) == first);
        let elsewhere = diagnostic
            .labels
            .iter()
            .filter(|label| Some(label.span.source) != first);
        let (excerpt, labels) = marked(here.collect(), sources);
        Report {
            code: Some(diagnostic.code.as_str()),
            severity: match diagnostic.severity {
                Severity::Error => miette::Severity::Error,
                Severity::Warning => miette::Severity::Warning,
            },
            message: diagnostic.message.clone(),
            help: (!diagnostic.help.is_empty()).then(|| diagnostic.help.join("\n")),
            excerpt,
            labels,
            notes: elsewhere
                .map(|label| Report::note(label, sources))
                .collect(),
        }
    }

    fn note(label: &Label, sources: &'a Sources) -> Self {
        let bare = Label {
            span: label.span,
            text: String::new(),
        };
        let (excerpt, labels) = marked(vec![&bare], sources);
        Report {
            code: None,
            severity: miette::Severity::Advice,
            message: label.text.clone(),
            help: None,
            excerpt,
            labels,
            notes: Vec::new(),
        }
    }
}

/// The text under some labels, and the labels. In a line too long to show, only the first place is marked.
fn marked<'a>(
    labels: Vec<&Label>,
    sources: &'a Sources,
) -> (Option<Excerpt<'a>>, Vec<LabeledSpan>) {
    let Some(first) = labels.first() else {
        return (None, Vec::new());
    };
    let excerpt = Excerpt::new(first.span, sources);
    let shown = if excerpt.window.is_some() {
        1
    } else {
        labels.len()
    };
    let spans = labels.iter().take(shown).enumerate().map(|(nth, label)| {
        let text = (!label.text.is_empty()).then(|| label.text.clone());
        let place = (
            label.span.start as usize,
            (label.span.end - label.span.start) as usize,
        );
        if nth == 0 {
            LabeledSpan::new_primary_with_span(text, place)
        } else {
            LabeledSpan::new_with_span(text, place)
        }
    });
    (Some(excerpt), spans.collect())
}

/// A text to show pieces of.
#[derive(Debug)]
struct Excerpt<'a> {
    source: &'a Source,
    /// The only bytes to show, where the line of the first label is too long.
    window: Option<Window>,
}

/// A piece of one line.
#[derive(Debug, Clone, Copy)]
struct Window {
    start: usize,
    end: usize,
    /// Of the piece's first character, counted from 0.
    line: usize,
    column: usize,
}

impl<'a> Excerpt<'a> {
    fn new(place: Span, sources: &'a Sources) -> Self {
        let source = source(sources, place.source);
        let text = &source.text;
        let (from, to) = (place.start as usize, place.end as usize);
        let line_start = text[..from].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[to..]
            .find('\n')
            .map_or(text.len(), |newline| to + newline);
        if line_end - line_start <= LONGEST_EXCERPT_BYTES {
            return Excerpt {
                source,
                window: None,
            };
        }
        let start = text.ceil_char_boundary(from.saturating_sub(AROUND_BYTES).max(line_start));
        let end = text.floor_char_boundary((to + AROUND_BYTES).min(line_end));
        let (line, column) = sources.line_and_column(Span {
            start: u32::try_from(start).unwrap_or(0),
            ..place
        });
        Excerpt {
            source,
            window: Some(Window {
                start,
                end,
                line: line - 1,
                column: column - 1,
            }),
        }
    }
}

fn source(sources: &Sources, id: SourceId) -> &Source {
    sources.get(id)
}

impl SourceCode for Excerpt<'_> {
    fn read_span<'b>(
        &'b self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'b> + 'b>, MietteError> {
        let name = self.source.name.clone();
        let contents = match self.window {
            Some(Window {
                start,
                end,
                line,
                column,
            }) => MietteSpanContents::new_named(
                name,
                &self.source.text.as_bytes()[start..end],
                (start, end - start).into(),
                line,
                column,
                1,
            ),
            None => {
                let found = self
                    .source
                    .text
                    .read_span(span, lines_before, lines_after)?;
                MietteSpanContents::new_named(
                    name,
                    found.data(),
                    *found.span(),
                    found.line(),
                    found.column(),
                    found.line_count(),
                )
            }
        };
        Ok(Box::new(contents))
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.code
            .map(|code| Box::new(code) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(self.severity)
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt
            .as_ref()
            .map(|excerpt| excerpt as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        (!self.labels.is_empty())
            .then(|| Box::new(self.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }

    fn related<'b>(&'b self) -> Option<Box<dyn Iterator<Item = &'b dyn miette::Diagnostic> + 'b>> {
        if self.notes.is_empty() {
            return None;
        }
        Some(Box::new(
            self.notes
                .iter()
                .map(|note| note as &dyn miette::Diagnostic),
        ))
    }
}
