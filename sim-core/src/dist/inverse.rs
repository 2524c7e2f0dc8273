//! Inverse distribution functions that have no closed form, on functions that are the same on every platform.

use super::elementary;

/// The quantile of the standard normal distribution; relative error about 10⁻¹⁶.
///
/// Source: M. J. Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37
/// (1988), routine PPND16.
pub(super) fn normal(p: f64) -> f64 {
    const CENTRE: f64 = 0.425;
    let q = p - 0.5;
    if q.abs() <= CENTRE {
        let r = CENTRE * CENTRE - q * q;
        return q * polynomial(&A, r) / polynomial(&B, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-elementary::ln(tail)).sqrt();
    let magnitude = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    if q < 0.0 { -magnitude } else { magnitude }
}

/// The quantile of the gamma distribution with `shape` and scale 1.
///
/// A start by Wilson and Hilferty (by the leading term of the series where the result is near zero), then Newton's
/// method with Halley's correction on the smaller of the two tails, kept inside a bracket that shrinks.
pub(super) fn gamma(shape: f64, p: f64) -> f64 {
    let upper = p > 0.5;
    let tail = if upper { 1.0 - p } else { p };
    let log_gamma = libm::lgamma(shape);
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut x = gamma_start(shape, p, log_gamma);
    for _ in 0..60 {
        let [below, above] = incomplete_gamma(shape, x, log_gamma);
        // Positive where x is too far right.
        let error = if upper { tail - above } else { below - tail };
        if error > 0.0 {
            high = x
        } else {
            low = x
        }
        let density = libm::exp((shape - 1.0) * libm::log(x) - x - log_gamma);
        let newton = error / density;
        let curvature = (newton * ((shape - 1.0) / x - 1.0)).min(1.0);
        let mut next = x - newton / (1.0 - 0.5 * curvature);
        if !(next > low && next < high) {
            next = if high.is_finite() {
                0.5 * (low + high)
            } else {
                2.0 * x
            };
        }
        if (next - x).abs() <= 4.0 * f64::EPSILON * x {
            return next;
        }
        x = next;
    }
    x
}

fn gamma_start(shape: f64, p: f64, log_gamma: f64) -> f64 {
    // P(shape, x) is about x^shape / Γ(shape + 1) near zero.
    let near_zero = libm::exp((libm::log(p) + log_gamma + libm::log(shape)) / shape);
    let c = 1.0 / (9.0 * shape);
    let cube_root = 1.0 - c + normal(p) * c.sqrt();
    let wilson_hilferty = shape * cube_root * cube_root * cube_root;
    if shape < 0.5 && p > 0.5 {
        // The tail falls like e^-x.
        return (-libm::log(1.0 - p)).max(f64::MIN_POSITIVE);
    }
    let start = if cube_root < 0.3 || near_zero < 0.2 * shape {
        near_zero
    } else {
        wilson_hilferty
    };
    start.max(f64::MIN_POSITIVE)
}

/// The regularised incomplete gamma functions, lower and upper: `[P(shape, x), Q(shape, x)]`.
///
/// Source: W. Gautschi, "A computational procedure for incomplete gamma functions", ACM TOMS 5 (1979): the series below
/// `shape + 1`, the continued fraction (by Lentz's method) above.
fn incomplete_gamma(shape: f64, x: f64, log_gamma: f64) -> [f64; 2] {
    let factor = libm::exp(shape * libm::log(x) - x - log_gamma);
    if x < shape + 1.0 {
        let below = factor * series(shape, x);
        [below, 1.0 - below]
    } else {
        let above = factor * continued_fraction(shape, x);
        [1.0 - above, above]
    }
}

fn series(shape: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0 / shape, 1.0 / shape, shape);
    while term > sum * f64::EPSILON / 4.0 {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    sum
}

fn continued_fraction(shape: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - shape;
    let mut c = f64::MAX;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for i in 1..1_000_000 {
        let i = f64::from(i);
        let a = -i * (i - shape);
        b += 2.0;
        d = 1.0 / (a * d + b);
        c = b + a / c;
        let step = c * d;
        fraction *= step;
        if (step - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    fraction
}

/// `c[0] + c[1] x + ...`, by Horner's rule.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

const A: [f64; 8] = [
    3.387_132_872_796_366_5,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_3e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
const B: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_66e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_854e3,
];
const C: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const D: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const E: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_048_7e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const F: [f64; 8] = [
    1.0,
    5.998_322_065_558_88e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_quantile_inverts_the_error_function() {
        // Φ(z) = erfc(-z / √2) / 2, down to 10^-300.
        for p in [
            1e-300, 1e-100, 1e-16, 1e-9, 1e-3, 0.02425, 0.07, 0.3, 0.5, 0.6, 0.925, 0.99,
        ] {
            let back = libm::erfc(-normal(p) / std::f64::consts::SQRT_2) / 2.0;
            assert!((back / p - 1.0).abs() < 1e-12, "{p}: {back}");
        }
        // The two standard constants, from Wichura's own test values: PPND16(0.25) and PPND16(0.001).
        assert!((normal(0.25) + 0.674_489_750_196_081_7).abs() < 1e-15);
        assert!((normal(0.001) + 3.090_232_306_167_813_5).abs() < 1e-14);
    }

    #[test]
    fn the_gamma_quantile_inverts_the_incomplete_gamma_function() {
        for shape in [0.01, 0.1, 0.5, 1.0, 1.5, 4.0, 37.0, 400.0, 1e4, 1e6] {
            for p in [
                1e-12,
                1e-6,
                0.01,
                0.1,
                0.3,
                0.5,
                0.7,
                0.9,
                0.99,
                1.0 - 1e-6,
                1.0 - 1e-12,
            ] {
                let x = gamma(shape, p);
                if x < 1e-290 {
                    continue; // shape 0.01: the quantile itself is below the least double
                }
                let [below, above] = incomplete_gamma(shape, x, libm::lgamma(shape));
                let (found, wanted) = if p > 0.5 {
                    (above, 1.0 - p)
                } else {
                    (below, p)
                };
                // log-gamma near 10^6 has an error of 10^-9 in the exponent; that is as good as it gets.
                assert!(
                    (found / wanted - 1.0).abs() < 1e-8,
                    "shape {shape}, p {p}: {found} {wanted}"
                );
            }
        }
    }

    #[test]
    fn the_gamma_quantile_of_shape_one_is_exponential() {
        for p in [1e-9, 0.1, 0.5, 0.9, 0.999_999] {
            assert!(
                (gamma(1.0, p) / -libm::log1p(-p) - 1.0).abs() < 1e-12,
                "{p}"
            );
        }
    }
}
