//! Which explanation of the published counts survives?
//!
//! The field report gives requests per pod of three services. `uneven-counts` simulates three explanations; each says how many
//! independent draws lie behind the counts of each service (`N_eff`). This compares how likely they make what was published.
//!
//! K equal draws over n pods make the statistic K CV^2 chi-squared with n - 1 degrees of freedom (Pearson; CV with the population
//! standard deviation). So the density of a published CV^2 is K f(K CV^2), with f the chi-squared density.

use serde_json::Value;
use statrs::distribution::{ChiSquared, Continuous};

use crate::program::{compare, directory, twohop};

/// Requests per pod as published.
const PUBLISHED: [(&str, &[f64]); 3] = [
    (
        "nginx",
        &[
            287.0, 875.0, 332.0, 635.0, 585.0, 384.0, 470.0, 416.0, 774.0, 594.0,
        ],
    ),
    ("httpd", &[996.0, 1031.0, 1096.0]),
    ("echo", &[1029.0, 1044.0, 1061.0]),
];

fn squared_cv(counts: &[f64]) -> f64 {
    let mean = counts.iter().sum::<f64>() / counts.len() as f64;
    let variance = counts
        .iter()
        .map(|count| (count - mean).powi(2))
        .sum::<f64>()
        / counts.len() as f64;
    variance / mean.powi(2)
}

/// Natural logarithm of the density of the published unevenness, given the number of draws.
fn log_likelihood(draws: f64, counts: &[f64]) -> f64 {
    let freedom = counts.len() as f64 - 1.0;
    let chi_squared = ChiSquared::new(freedom).expect("more than one pod");
    draws.ln() + chi_squared.ln_pdf(draws * squared_cv(counts))
}

/// The draws behind a service's counts in an alternative.
fn draws(alternative: &Value, service: &str) -> f64 {
    alternative["numbers"]
        .as_array()
        .expect("numbers")
        .iter()
        .find(|number| number["name"] == "N_eff" && number["scope"] == service)
        .and_then(|number| number["estimate"]["mean"].as_f64())
        .expect("N_eff of every service")
}

#[test]
fn the_published_counts_single_out_one_explanation() {
    let output = twohop(&["run", "uneven-counts", "--format", "json", "--quiet"]);
    let results: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let alternatives = results["alternatives"].as_array().expect("alternatives");
    let mut text = format!(
        "{:<32}{:>10}{:>10}{:>10}{:>14}\n",
        "explanation", "nginx", "httpd", "echo", "together"
    );
    let mut likelihoods = Vec::new();
    for alternative in alternatives {
        let name = alternative["name"].as_str().expect("a name");
        let each =
            PUBLISHED.map(|(service, counts)| log_likelihood(draws(alternative, service), counts));
        let together: f64 = each.iter().sum();
        text += &format!(
            "{name:<32}{:>10.1}{:>10.1}{:>10.1}{together:>14.1}\n",
            each[0], each[1], each[2]
        );
        likelihoods.push((together, name));
    }
    text += "\nNatural logarithm of the density of the published CV^2. A difference of 3 is a factor of 20.\n";
    if let Err(difference) = compare(&directory().join("golden/likelihoods.txt"), &text) {
        panic!("{difference}");
    }
    let best = likelihoods
        .iter()
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .expect("an alternative");
    assert_eq!(best.1, "keep-alive as shipped");
    let runner_up = likelihoods
        .iter()
        .filter(|one| one.1 != best.1)
        .map(|one| one.0)
        .fold(f64::NEG_INFINITY, f64::max);
    assert!(
        best.0 - runner_up > 3.0,
        "the next explanation is 20 times less likely: {likelihoods:?}"
    );
}
