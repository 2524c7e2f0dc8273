//! What does a simulation say to the statements of the field report?
//!
//! Each statement is a scenario in `library/claims/`; what came out of it is a row of a table that the book includes. For one of
//! them, the counts of requests per pod, there are rival explanations. The field report gives requests per pod of three services. `uneven-counts` simulates three explanations; each says how many
//! independent draws lie behind the counts of each service (`N_eff`). This compares how likely they make what was published.
//!
//! K equal draws over n pods make the statistic K CV^2 chi-squared with n - 1 degrees of freedom (Pearson; CV with the population
//! standard deviation). So the density of a published CV^2 is K f(K CV^2), with f the chi-squared density.

use std::fs;
use std::path::Path;

use scenarios::library::LIBRARY;
use serde_json::Value;
use statrs::distribution::{ChiSquared, Continuous};

use crate::program::{compare, directory, transcript, twohop};

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
    libm::log(draws) + chi_squared.ln_pdf(draws * squared_cv(counts))
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
fn every_claim_is_judged_by_its_scenario() {
    let mut rows = Vec::new();
    let claims = LIBRARY
        .iter()
        .filter(|shipped| shipped.file.starts_with("claims/"));
    for shipped in claims {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(shipped.name);
        let out = kept.to_str().expect("UTF-8");
        let output = twohop(&["run", shipped.name, "--quiet", "--out", out]);
        let golden = directory().join(format!("golden/run-{}.txt", shipped.name));
        if let Err(difference) = compare(&golden, &transcript(&output)) {
            panic!("twohop run {}: {difference}", shipped.name);
        }
        let results = fs::read_to_string(kept.join("results.json")).expect("results");
        let results: Value = serde_json::from_str(&results).expect("JSON");
        rows.push(row(shipped.name, &results));
    }
    rows.sort_unstable();
    let mut text = "| claim | scenario | what came out |\n|---|---|---|\n".to_owned();
    for (number, claim, rest) in rows {
        text += &format!("| {number}. {claim} | {rest} |\n");
    }
    if let Err(difference) = compare(&directory().join("golden/claims.md"), &text) {
        panic!("{difference}");
    }
}

/// Number and text of a claim, then its scenario and the verdict on every objective in every alternative.
fn row(scenario: &str, results: &Value) -> (u32, String, String) {
    let about = results["alternatives"][0]["parameters"]["about"]
        .as_str()
        .expect("what the scenario is about");
    let (number, claim) = about
        .strip_prefix("Claim ")
        .and_then(|rest| rest.split_once(": "))
        .expect("`Claim NUMBER: TEXT`");
    let alternatives = results["alternatives"].as_array().expect("alternatives");
    let verdicts: Vec<String> = alternatives.iter().map(verdict).collect();
    (
        number.parse().expect("a number"),
        claim.trim_end_matches('.').to_owned(),
        format!(
            "[{scenario}](shipped/{scenario}.md) | {}",
            verdicts.join("<br>")
        ),
    )
}

/// `name: objective met; objective missed`
fn verdict(alternative: &Value) -> String {
    let judged: Vec<String> = alternative["objectives"]
        .as_array()
        .expect("objectives")
        .iter()
        .map(|objective| {
            format!(
                "{} *{}*",
                objective["objective"]
                    .as_str()
                    .expect("a sentence")
                    .replace('<', "&lt;"),
                objective["verdict"].as_str().expect("a verdict")
            )
        })
        .collect();
    format!(
        "**{}**: {}",
        alternative["name"].as_str().expect("a name"),
        judged.join("; ")
    )
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
