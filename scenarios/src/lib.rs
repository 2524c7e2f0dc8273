//! The what-if format: scenario files, rules, experiments and measures.
