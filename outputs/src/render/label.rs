//! Where does the name of a line go, so that no legend is needed?
//!
//! Each name is set beside its own line, where it covers no line and no other name. If one of them finds no place, none is
//! placed, and the caller draws a legend.

use super::canvas::Point;

/// A rectangle: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.right >= other.right
            && self.bottom >= other.bottom
    }

    fn is_crossed(&self, from: Point, to: Point) -> bool {
        cut(*self, from, to).is_some()
    }
}

/// The part of a segment that lies inside an area, by the method of Liang and Barsky.
pub(super) fn cut(area: Area, (x0, y0): Point, (x1, y1): Point) -> Option<(Point, Point)> {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let (mut enters, mut leaves) = (0.0_f64, 1.0_f64);
    for (step, room) in [
        (-dx, x0 - area.left),
        (dx, area.right - x0),
        (-dy, y0 - area.top),
        (dy, area.bottom - y0),
    ] {
        if step == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if step < 0.0 {
            enters = enters.max(room / step);
        } else {
            leaves = leaves.min(room / step);
        }
    }
    let at = |share: f64| match share {
        0.0 => (x0, y0),
        1.0 => (x1, y1),
        _ => (x0 + share * dx, y0 + share * dy),
    };
    (enters <= leaves).then(|| (at(enters), at(leaves)))
}

/// The gap between a line and its name, in pixels.
const GAP: f64 = 7.0;
/// The blank kept free around a name, in pixels.
const AIR: f64 = 2.0;
/// How many places along a line are tried.
const TRIES: usize = 40;

/// The upper left corner of each name, or `None` when they do not all find a place.
///
/// `lines` and `sizes` (width, height) go together; `taken` are areas that must stay free.
pub(super) fn place(
    lines: &[Vec<Point>],
    sizes: &[(f64, f64)],
    within: Area,
    taken: &[Area],
) -> Option<Vec<Point>> {
    let mut taken = taken.to_vec();
    let mut places = Vec::new();
    for (line, &size) in lines.iter().zip(sizes) {
        let free = |area: &Area| {
            let air = Area {
                left: area.left - AIR,
                top: area.top - AIR,
                right: area.right + AIR,
                bottom: area.bottom + AIR,
            };
            within.holds(&air)
                && !taken.iter().any(|other| other.meets(&air))
                && !lines
                    .iter()
                    .any(|line| line.windows(2).any(|pair| air.is_crossed(pair[0], pair[1])))
        };
        let area = tries(line)
            .into_iter()
            .flat_map(|point| around(point, size))
            .find(free)?;
        taken.push(area);
        places.push((area.left, area.top));
    }
    Some(places)
}

/// Points along the line by its length, the ones near its middle first.
fn tries(line: &[Point]) -> Vec<Point> {
    let lengths: Vec<f64> = line
        .windows(2)
        .map(|pair| libm::hypot(pair[1].0 - pair[0].0, pair[1].1 - pair[0].1))
        .collect();
    let total: f64 = lengths.iter().sum();
    let mut shares: Vec<f64> = (0..=TRIES)
        .map(|index| index as f64 / TRIES as f64)
        .collect();
    shares.sort_by(|one, other| (one - 0.55).abs().total_cmp(&(other - 0.55).abs()));
    shares
        .into_iter()
        .filter_map(|share| along(line, &lengths, share * total))
        .collect()
}

fn along(line: &[Point], lengths: &[f64], mut distance: f64) -> Option<Point> {
    for (pair, &length) in line.windows(2).zip(lengths) {
        if distance <= length && length > 0.0 {
            let share = distance / length;
            return Some((
                pair[0].0 + share * (pair[1].0 - pair[0].0),
                pair[0].1 + share * (pair[1].1 - pair[0].1),
            ));
        }
        distance -= length;
    }
    None
}

/// The areas beside a point: to the right, to the left, above, below.
fn around((x, y): Point, (width, height): (f64, f64)) -> [Area; 4] {
    let area = |left: f64, top: f64| Area {
        left,
        top,
        right: left + width,
        bottom: top + height,
    };
    [
        area(x + GAP, y - height / 2.0),
        area(x - GAP - width, y - height / 2.0),
        area(x - width / 2.0, y - GAP - height),
        area(x - width / 2.0, y + GAP),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Area = Area {
        left: 0.0,
        top: 0.0,
        right: 400.0,
        bottom: 200.0,
    };

    #[test]
    fn names_cover_neither_lines_nor_each_other() {
        let lines = [
            vec![(50.0, 0.0), (150.0, 200.0)],
            vec![(150.0, 0.0), (260.0, 200.0)],
        ];
        let sizes = [(60.0, 12.0), (60.0, 12.0)];
        let places = place(&lines, &sizes, WITHIN, &[]).expect("there is room");
        let areas: Vec<Area> = places
            .iter()
            .map(|&(left, top)| Area {
                left,
                top,
                right: left + 60.0,
                bottom: top + 12.0,
            })
            .collect();
        assert!(!areas[0].meets(&areas[1]));
        for area in &areas {
            assert!(lines.iter().all(|line| !area.is_crossed(line[0], line[1])));
        }
    }

    #[test]
    fn without_room_for_all_there_are_none() {
        let lines = [vec![(0.0, 100.0), (400.0, 100.0)]];
        assert_eq!(place(&lines, &[(500.0, 12.0)], WITHIN, &[]), None);
    }
}
