//! Random numbers and what is sampled from them: pinned draws, and laws that hold for every address.
//!
//! The pinned numbers are part of the file format: a scenario with a seed must give the same answer with every later
//! version. If one of these tests fails, results change for everybody.

use proptest::prelude::*;
use sim_core::dist::{Component, Empirical, LogNormal, Pareto, Weibull};
use sim_core::{Block, Dist, Histogram, SimDuration, StreamName, Streams, Tally, Unit};

const NAME: StreamName = StreamName::new("test vector");

#[test]
fn the_first_draws_of_each_form_are_pinned() {
    // ChaCha with eight rounds, written out by its definition in another language: the key is seed, replication, name
    // and form (0, 1, 2) as little-endian words of 64 bits; the entity is the nonce, and the counter starts at 0,
    // at 4 * 65,536 and at 5.
    let streams = Streams::new(1, 2);
    let mut sequence = streams.stream(NAME, 3);
    let drawn = [sequence.u64(), sequence.u64(), sequence.u64()];
    assert_eq!(
        drawn,
        [0x335078307094d5a2, 0x9219de63959a6875, 0xce7b097a19e7ef3e]
    );
    let mut address = streams.nth(NAME, 3, 4);
    assert_eq!(
        [address.u64(), address.u64()],
        [0x3b42d6c6fcb67c6d, 0xb73360ef24e37a01]
    );
    let Block(words) = streams.block(NAME, 3, 5);
    assert_eq!(words[..4], [0x6d36eb21, 0xac6895f8, 0x3a9b9be7, 0xb456d38d]);
}

/// Every kind of distribution, with the durations of the units 0.1, 0.5, 0.9 and 0.999 in nanoseconds.
fn pinned() -> Vec<(Dist, [u64; 4])> {
    let millis = SimDuration::from_millis;
    let mixture = vec![
        Component {
            weight: 3.0,
            of: Dist::Constant(millis(1)),
        },
        Component {
            weight: 1.0,
            of: Dist::exponential(millis(9)),
        },
    ];
    let values = Empirical::Values(vec![(millis(20), 1.0), (millis(10), 3.0)]);
    let quantiles =
        Empirical::Quantiles(vec![(0.0, millis(1)), (0.9, millis(10)), (1.0, millis(90))]);
    vec![
        (Dist::Constant(millis(5)), [5_000_000; 4]),
        // low + u (high - low)
        (
            Dist::Uniform {
                low: millis(10),
                high: millis(20),
            },
            [11_000_000, 15_000_000, 19_000_000, 19_990_000],
        ),
        // -10 ms ln(1 - u)
        (
            Dist::exponential(millis(10)),
            [1_053_605, 6_931_472, 23_025_851, 69_077_553],
        ),
        // exp(mu + sigma z) with sigma^2 = ln 2, mu = ln 12 ms - sigma^2 / 2, z = -1.2815516, 0, 1.2815516, 3.0902323.
        (
            Dist::log_normal(millis(12), 1.0),
            [2_919_380, 8_485_281, 24_662_768, 111_176_632],
        ),
        // The median, and 99 in 100 below 40 ms; z(0.9) = 1.2815516, z(0.99) = 2.3263479, z(0.999) = 3.0902323:
        // 6 ms (40/6)^(z / 2.3263479).
        (
            Dist::LogNormal(LogNormal::Quantiles {
                median: millis(6),
                p99: millis(40),
            }),
            [2_109_948, 6_000_000, 17_062_031, 74_576_222],
        ),
        // Shape 1 is exponential; shape 4 is the sum of four exponentials, its distribution function elementary.
        (
            Dist::gamma(millis(10), 1.0),
            [1_053_605, 6_931_472, 23_025_851, 69_077_553],
        ),
        (
            Dist::gamma(millis(10), 0.5),
            [4_361_924, 9_180_152, 16_701_958, 32_655_602],
        ),
        (
            Dist::Weibull(Weibull::Moments {
                mean: millis(10),
                cv: 1.0,
            }),
            [1_053_605, 6_931_472, 23_025_851, 69_077_553],
        ),
        // 10 ms (-ln(1 - u))^(1/2)
        (
            Dist::Weibull(Weibull::Shape {
                scale: millis(10),
                shape: 2.0,
            }),
            [3_245_928, 8_325_546, 15_174_271, 26_282_609],
        ),
        // 10 ms (1 - u)^(-1/2)
        (
            Dist::Pareto(Pareto::Scale {
                scale: millis(10),
                alpha: 2.0,
            }),
            [10_540_926, 14_142_136, 31_622_777, 316_227_766],
        ),
        // Scale 10 ms (2 - 1) / 2 = 5 ms: half of the above.
        (
            Dist::Pareto(Pareto::Mean {
                mean: millis(10),
                alpha: 2.0,
            }),
            [5_270_463, 7_071_068, 15_811_388, 158_113_883],
        ),
        // Three in four are 10 ms.
        (
            Dist::Empirical(values),
            [10_000_000, 10_000_000, 20_000_000, 20_000_000],
        ),
        // 1 ms + 9 ms u / 0.9; above 0.9, 10 ms + 80 ms (u - 0.9) / 0.1.
        (
            Dist::Empirical(quantiles),
            [2_000_000, 6_000_000, 10_000_000, 89_200_000],
        ),
        // Up to 0.75 the constant; 0.9 is 0.6 of what is left, -9 ms ln 0.4; 0.999 is 0.996, -9 ms ln 0.004.
        (
            Dist::Mixture(mixture),
            [1_000_000, 1_000_000, 8_246_617, 49_693_148],
        ),
    ]
}

#[test]
fn the_durations_of_four_units_are_pinned() {
    for (dist, expected) in pinned() {
        let sampler = dist.sampler().unwrap();
        let sampled =
            [0.1, 0.5, 0.9, 0.999].map(|u| sampler.sample(Unit::new(u).unwrap()).as_nanos());
        assert_eq!(sampled, expected, "{dist:?}");
    }
}

#[test]
fn samples_have_the_mean_and_the_cv_that_the_sampler_tells() {
    // A midpoint of each of n equal slices of the unit interval integrates the quantile function: no sampling error.
    const SLICES: u32 = 400_000;
    for (dist, _) in pinned() {
        let sampler = dist.sampler().unwrap();
        let units =
            (0..SLICES).map(|i| Unit::new((f64::from(i) + 0.5) / f64::from(SLICES)).unwrap());
        let tally: Tally = units.map(|unit| sampler.sample(unit).as_nanos()).collect();
        let mean = tally.mean().unwrap() / 1e9;
        assert!(
            (mean / sampler.mean() - 1.0).abs() < 2e-3,
            "{dist:?}: {mean} {}",
            sampler.mean()
        );
        if sampler.cv().is_finite() {
            assert!(
                (tally.cv().unwrap() - sampler.cv()).abs() < 5e-3,
                "{dist:?}: {:?} {}",
                tally.cv(),
                sampler.cv()
            );
        }
    }
}

#[test]
fn moments_in_are_moments_out() {
    let mean = SimDuration::from_millis(12);
    for cv in [0.01, 0.3, 1.0, 2.5] {
        for dist in [
            Dist::log_normal(mean, cv),
            Dist::gamma(mean, cv),
            Dist::Weibull(Weibull::Moments { mean, cv }),
        ] {
            let sampler = dist.sampler().unwrap();
            assert!(
                (sampler.mean() / 0.012 - 1.0).abs() < 1e-9,
                "{dist:?}: {}",
                sampler.mean()
            );
            assert!(
                (sampler.cv() / cv - 1.0).abs() < 1e-6,
                "{dist:?}: {}",
                sampler.cv()
            );
        }
    }
}

#[test]
fn without_variation_any_law_is_constant() {
    let mean = SimDuration::from_millis(12);
    for dist in [
        Dist::log_normal(mean, 0.0),
        Dist::gamma(mean, 0.0),
        Dist::Weibull(Weibull::Moments { mean, cv: 0.0 }),
        Dist::Uniform {
            low: mean,
            high: mean,
        },
        Dist::Empirical(Empirical::Values(vec![(mean, 0.2), (mean, 0.9)])),
    ] {
        assert_eq!(
            dist.sampler().unwrap().is_constant(),
            Some(mean),
            "{dist:?}"
        );
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let (zero, short, long) = (
        SimDuration::ZERO,
        SimDuration::from_millis(1),
        SimDuration::from_millis(2),
    );
    let refused = |dist: Dist| dist.sampler().expect_err("this cannot be").to_string();
    assert_eq!(
        refused(Dist::exponential(zero)),
        "found mean 0s in Exponential, expected a duration longer than zero"
    );
    assert_eq!(
        refused(Dist::Uniform {
            low: long,
            high: short
        }),
        "found high 1ms in Uniform, expected no less than `low`"
    );
    assert_eq!(
        refused(Dist::log_normal(short, -1.0)),
        "found cv -1 in LogNormal, expected a number from 0 to 1000"
    );
    assert_eq!(
        refused(Dist::gamma(short, f64::NAN)),
        "found cv NaN in Gamma, expected 0, or a number from 0.001 to 100"
    );
    let swapped = LogNormal::Quantiles {
        median: long,
        p99: short,
    };
    assert_eq!(
        refused(Dist::LogNormal(swapped)),
        "found p99 1ms in LogNormal, expected longer than `median`"
    );
    let heavy = Pareto::Mean {
        mean: short,
        alpha: 1.0,
    };
    assert_eq!(
        refused(Dist::Pareto(heavy)),
        "found alpha 1 in Pareto, expected a number above 1: at 1 and below there is no mean"
    );
    assert_eq!(
        refused(Dist::Mixture(vec![])),
        "found an empty list in Mixture, expected at least one part"
    );
    let weightless = Empirical::Values(vec![(short, 0.0)]);
    assert_eq!(
        refused(Dist::Empirical(weightless)),
        "found weight 0 in Empirical, expected a number above 0"
    );
    let falling = Empirical::Quantiles(vec![(0.0, long), (1.0, short)]);
    assert_eq!(
        refused(Dist::Empirical(falling)),
        "found duration 1ms in Empirical, expected durations that do not fall"
    );
    let short_of_one = Empirical::Quantiles(vec![(0.0, short), (0.9, long)]);
    assert_eq!(
        refused(Dist::Empirical(short_of_one)),
        "found share 0.9 in Empirical, expected 1 as the last share"
    );
}

#[test]
fn draws_of_neighbouring_addresses_are_unrelated() {
    // 4,000 units, one from each of 4,000 consecutive entities, decisions and replications: the mean of n uniforms is
    // 1/2 with a standard deviation of 1/sqrt(12 n) = 0.0046; five of those are 0.023.
    const N: u64 = 4_000;
    let mean = |unit: &dyn Fn(u64) -> Unit| (0..N).map(|i| unit(i).get()).sum::<f64>() / N as f64;
    let streams = Streams::new(9, 0);
    for mean in [
        mean(&|i| streams.stream(NAME, i).unit()),
        mean(&|i| streams.nth(NAME, i, 0).unit()),
        mean(&|i| streams.nth(NAME, 0, i).unit()),
        mean(&|i| streams.block(NAME, i, 0).unit(2)),
        mean(&|i| Streams::new(9, i).stream(NAME, 0).unit()),
        mean(&|i| Streams::new(i, 9).stream(NAME, 0).unit()),
    ] {
        assert!((mean - 0.5).abs() < 0.023, "{mean}");
    }
}

#[test]
fn a_whole_number_below_ten_is_any_of_them() {
    // 100,000 draws: each of ten counts is 10,000 with a standard deviation of 95; five of those are 475.
    let mut stream = Streams::new(4, 0).stream(NAME, 0);
    let mut counts = [0i32; 10];
    (0..100_000).for_each(|_| counts[stream.below(10) as usize] += 1);
    assert!(
        counts.iter().all(|count| (count - 10_000).abs() < 475),
        "{counts:?}"
    );
}

proptest! {
    #[test]
    fn a_block_is_the_same_sought_or_drawn_in_order(seed: u64, entity: u64, start in 0u64..1 << 58, count in 1usize..20) {
        let streams = Streams::new(seed, 0);
        let mut blocks = streams.blocks(NAME, entity);
        blocks.skip_to(start);
        for k in start..start + count as u64 {
            prop_assert_eq!(blocks.position(), k);
            prop_assert_eq!(blocks.draw(), streams.block(NAME, entity, k));
        }
    }

    #[test]
    fn another_address_gives_other_numbers(seed: u64, a in 0u64..1 << 40, b in 0u64..1 << 40) {
        prop_assume!(a != b);
        let streams = Streams::new(seed, 0);
        let first = streams.nth(NAME, a, b).u64();
        prop_assert_ne!(first, streams.nth(NAME, b, a).u64());
        prop_assert_ne!(first, streams.nth(StreamName::new("another"), a, b).u64());
        prop_assert_ne!(first, streams.stream(NAME, a).u64());
        prop_assert_ne!(first, Streams::new(seed, 1).nth(NAME, a, b).u64());
        prop_assert_eq!(first, streams.nth(NAME, a, b).u64());
    }

    #[test]
    fn a_larger_unit_gives_no_shorter_duration(a in 0.0001..0.9999f64, b in 0.0001..0.9999f64) {
        let (low, high) = (Unit::new(a.min(b)).unwrap(), Unit::new(a.max(b)).unwrap());
        for (dist, _) in pinned() {
            // The parts of a mixture stand in the order in which they were written; within a part the law holds.
            if matches!(dist, Dist::Mixture(_)) {
                continue;
            }
            let sampler = dist.sampler().unwrap();
            prop_assert!(sampler.sample(low) <= sampler.sample(high), "{:?}", dist);
        }
    }
}

#[test]
fn the_stream_serves_the_distributions_of_the_rand_family() {
    use rand_distr::{Distribution, Exp1};
    let mut stream = Streams::new(5, 0).stream(NAME, 0);
    // The mean of 100,000 exponentials of mean 1 is known to 0.0032; five of those are 0.016.
    let mean = (0..100_000)
        .map(|_| -> f64 { Exp1.sample(&mut stream) })
        .sum::<f64>()
        / 1e5;
    assert!((mean - 1.0).abs() < 0.016, "{mean}");
}

#[test]
fn sampled_quantiles_are_those_of_the_distribution() {
    // 200,000 draws through the stream: the share below the median is 1/2 with a deviation of 0.0011.
    let demand = Dist::log_normal(SimDuration::from_millis(12), 1.0)
        .sampler()
        .unwrap();
    let mut stream = Streams::new(6, 0).stream(NAME, 0);
    let histogram: Histogram = (0..200_000)
        .map(|_| demand.sample(stream.unit()).as_nanos())
        .collect();
    let median = histogram.quantile(0.5).unwrap() as f64;
    // 12 ms / sqrt 2; at the median the density is 1 / (median sigma sqrt(2 pi)), so 0.0011 is 0.23 % of it.
    assert!(
        (median / (12e6 / 2.0f64.sqrt()) - 1.0).abs() < 0.02,
        "{median}"
    );
}
