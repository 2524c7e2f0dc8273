//! What is a thing called in the name of a file?

/// Names of files for things with these names, in their order: lower case, words joined by `-`, no two alike.
///
/// ```
/// assert_eq!(outputs::name::distinct(["instance, Local", "ip", "IP"]), ["instance-local", "ip", "ip-2"]);
/// ```
pub fn distinct<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut taken: Vec<String> = Vec::new();
    for name in names {
        let plain = plain(name);
        let numbered = (2_u64..).map(|number| format!("{plain}-{number}"));
        let free = std::iter::once(plain.clone())
            .chain(numbered)
            .find(|candidate| !taken.contains(candidate))
            .expect("there are more numbers than names");
        taken.push(free);
    }
    taken
}

/// The letters and digits of a name, all else one `-`.
fn plain(name: &str) -> String {
    let words: Vec<String> = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    if words.is_empty() {
        "unnamed".to_owned()
    } else {
        words.join("-")
    }
}
