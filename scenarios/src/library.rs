//! Which scenarios are shipped with twohop, and what does each answer?
//!
//! They are embedded in the program, in the order of the book, and written to be read.

/// A shipped scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// Its name on the command line, without `.ron`.
    pub name: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// The whole file.
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal: $question:literal;)*) => {
        /// All shipped scenarios.
        pub const LIBRARY: &[Shipped] = &[$(Shipped {
            name: $name,
            question: $question,
            text: include_str!(concat!("../library/", $name, ".ron")),
        }),*];
    };
}

shipped! {
    "pods-or-nodes": "What changes when the load balancer targets nodes instead of pods?";
    "uneven-burst": "Why did ten equal pods get between 287 and 875 of 5,352 requests?";
    "lumpy-local": "Is a 4-3-2-1 placement a problem, under Cluster and under Local?";
    "how-many-pods": "How many pods keep p99 under 250 ms?";
}

/// The scenario of a name; `.ron` may follow it.
pub fn find(name: &str) -> Option<&'static Shipped> {
    let name = name.strip_suffix(".ron").unwrap_or(name);
    LIBRARY.iter().find(|shipped| shipped.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::load;
    use crate::source::Sources;

    #[test]
    fn every_shipped_scenario_is_right_and_has_a_title() {
        for shipped in LIBRARY {
            let mut sources = Sources::default();
            let source = sources.add(shipped.name, shipped.text);
            let loaded = load(&sources, source, &[])
                .unwrap_or_else(|wrong| panic!("{}: {wrong:#?}", shipped.name));
            assert!(!loaded.scenario.title.is_empty(), "{}", shipped.name);
        }
    }

    #[test]
    fn every_file_of_the_library_is_listed() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/library");
        let mut files: Vec<String> = std::fs::read_dir(directory)
            .expect("the library exists")
            .filter_map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_str()?
                    .strip_suffix(".ron")
                    .map(str::to_owned)
            })
            .collect();
        files.sort_unstable();
        let mut listed: Vec<&str> = LIBRARY.iter().map(|shipped| shipped.name).collect();
        listed.sort_unstable();
        assert_eq!(files, listed);
    }

    #[test]
    fn a_name_is_found_with_and_without_its_ending() {
        assert_eq!(find("pods-or-nodes.ron"), find("pods-or-nodes"));
        assert_eq!(find("nothing"), None);
    }
}
