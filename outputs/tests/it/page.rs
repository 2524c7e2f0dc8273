//! The page and the pictures keep what they promise: alone, small, the same every time.

use outputs::render::{html, png, svg};

use crate::sample;

#[test]
fn the_page_needs_nothing_else() {
    let page = html::page(&sample::report());
    let without_names = page.replace("http://www.w3.org/2000/svg", "");
    for outside in [
        "http:", "https:", "<script", "<link", "<img", "@import", "src=", "url(/",
    ] {
        assert!(
            !without_names.contains(outside),
            "the page refers to something outside: {outside}"
        );
    }
    assert_eq!(
        page.matches("url(").count(),
        page.matches("url(data:").count()
    );
    assert!(page.len() < 1_000_000, "the page has {} bytes", page.len());
}

#[test]
fn the_page_escapes_what_users_wrote() {
    let mut report = sample::report();
    report.title = "<script>alert(1)</script> & \"co\"".to_owned();
    report.sections[1].figures[0].title = "a < b & c".to_owned();
    let page = html::page(&report);
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;"));
    assert!(page.contains("a &lt; b &amp; c"));
}

#[test]
fn the_same_figure_gives_the_same_bytes() {
    for figure in sample::figures() {
        assert_eq!(svg::standalone(&figure), svg::standalone(&figure));
    }
    let figure = sample::grid();
    assert_eq!(
        png::figure(&figure, 1.0).unwrap(),
        png::figure(&figure, 1.0).unwrap()
    );
}

#[test]
fn a_png_has_the_size_of_its_figure_times_the_scale() {
    let image = png::figure(&sample::grid(), 2.0).unwrap();
    assert_eq!(image[..8], [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A]);
    // The header chunk: length and type, then the width as four bytes. Figures are 760 pixels wide.
    assert_eq!(image[16..20], 1520_u32.to_be_bytes());
}

#[test]
fn pictures_survive_degenerate_numbers() {
    let mut figure = sample::tails();
    for panel in &mut figure.panels {
        panel.marks.clear();
    }
    assert!(svg::standalone(&figure).ends_with("</svg>\n"));
    let mut figure = sample::differences();
    figure.panels.clear();
    assert!(svg::standalone(&figure).ends_with("</svg>\n"));
}
