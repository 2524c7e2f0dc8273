//! Which name was probably meant?

/// The nearest of `candidates`, when it is near enough that a slip of the keyboard or another spelling explains the difference.
pub fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = normal(written);
    let allowed = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &normal(candidate)), candidate))
        .filter(|&(distance, candidate)| {
            distance <= allowed || abbreviates(&wanted, &normal(candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// One spelling for `periodSeconds`, `PeriodSeconds`, `period_seconds`, `period-seconds` and `period`: twohop's units stand in values.
fn normal(name: &str) -> String {
    let mut snake = String::new();
    let mut after_lower = false;
    for c in name.chars() {
        if c.is_uppercase() && after_lower {
            snake.push('_');
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
        snake.extend(if c == '-' || c == ' ' { '_' } else { c }.to_lowercase());
    }
    for unit in ["_seconds", "_secs", "_ms", "_bytes"] {
        if let Some(bare) = snake.strip_suffix(unit) {
            return bare.to_owned();
        }
    }
    snake
}

/// Whether one begins or ends with the whole other, and both are long enough for that to mean something.
fn abbreviates(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    short.len() >= 4 && (long.starts_with(short) || long.ends_with(short))
}

/// How many insertions, deletions, replacements and swaps of neighbours lead from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// `a`, `b` or `c`
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_seen_through() {
        assert_eq!(nearest("ngnix", ["httpd", "nginx"]), Some("nginx"));
        assert_eq!(
            nearest("replcias", ["replicas", "resources"]),
            Some("replicas")
        );
    }

    #[test]
    fn kubernetes_spellings_are_known() {
        assert_eq!(
            nearest("externalTrafficPolicy", ["external_traffic_policy"]),
            Some("external_traffic_policy")
        );
        assert_eq!(nearest("periodSeconds", ["period", "path"]), Some("period"));
        assert_eq!(
            nearest("traffic_policy", ["external_traffic_policy"]),
            Some("external_traffic_policy")
        );
        assert_eq!(nearest("local", ["Cluster", "Local"]), Some("Local"));
    }

    #[test]
    fn a_stranger_is_not_taken_for_a_friend() {
        assert_eq!(nearest("colour", ["replicas", "server"]), None);
        assert_eq!(nearest("x", ["cpu"]), None);
    }

    #[test]
    fn distances_are_those_of_the_textbook() {
        // kitten -> sitten -> sittin -> sitting: 3. A swap of neighbours counts one.
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
