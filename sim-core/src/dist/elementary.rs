//! The exponential function and the natural logarithm of a draw, fast and the same on every platform.
//!
//! Each request draws both. A sum, a product and a small table do what `libm` does with divisions and branches, in half
//! the time: only additions and multiplications of IEEE 754 are used, whose results no platform may choose.
//!
//! Method: P. T. P. Tang, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic",
//! ACM Transactions on Mathematical Software 15 (1989), and "... of the logarithm function ...", 16 (1990).

use std::f64::consts::LN_2;

/// A table cuts an octave into so many steps.
const STEPS: usize = 128;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Bits of the fraction of a 64-bit float.
const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;

/// *e* to the power of `x`, with a relative error below 4 × 10⁻¹⁶. What lies beyond ±700 is taken as that.
#[inline]
pub(super) fn exp(x: f64) -> f64 {
    /// Steps of an octave in a natural unit.
    const PER_UNIT: f64 = STEPS as f64 / LN_2;
    /// The length of a step: a part whose product with any number of steps is exact, and the rest.
    const STEP: f64 = 6.931_471_803_691_238e-1 / STEPS as f64;
    const STEP_REST: f64 = 1.908_214_929_270_587_7e-10 / STEPS as f64;
    /// 1.5 × 2⁵²: what is added to it is rounded to a whole number, which stands in the last bits.
    const ROUNDER: f64 = 6_755_399_441_055_744.0;

    let x = x.clamp(-700.0, 700.0);
    let shifted = x * PER_UNIT + ROUNDER;
    let whole = shifted.to_bits() as i64;
    let steps = shifted - ROUNDER;
    // Below bit 51 of the fraction stands the number of steps, with its sign.
    let r = (x - steps * STEP) - steps * STEP_REST;
    // The Taylor series on |r| <= ln 2 / 256; what is left out is below 10^-18.
    let square = r * r;
    let less_one = r + square * (0.5 + r * (1.0 / 6.0) + square * (1.0 / 24.0 + r * (1.0 / 120.0)));
    let root = ROOTS[whole as usize % STEPS];
    let scale =
        f64::from_bits(((1023 + (whole << 13 >> (13 + STEP_BITS))) as u64) << FRACTION_BITS);
    (root + root * less_one) * scale
}

/// The natural logarithm of `x`, a normal number above zero; the error is below 3 × 10⁻¹⁶ or as much of the result.
#[inline]
pub(super) fn ln(x: f64) -> f64 {
    debug_assert!(x.is_normal() && x > 0.0, "{x} is out of range");
    const ONE: u64 = 1023 << FRACTION_BITS;
    let bits = x.to_bits();
    let exponent = (bits >> FRACTION_BITS) as i64 - 1023;
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    let middle = &MIDDLES[(fraction >> (FRACTION_BITS - STEP_BITS)) as usize];
    // The difference is exact; |r| <= 1/256.
    let r = (f64::from_bits(ONE | fraction) - middle.at) * middle.inverse;
    // The series of ln(1 + r) without its first term; what is left out is below 10^-18.
    let square = r * r;
    let rest = -0.5 + r * (1.0 / 3.0) + square * (-0.25 + r * 0.2 - square * (1.0 / 6.0));
    (exponent as f64 * LN_2 + middle.ln) + (r + square * rest)
}

/// The middle of a step between 1 and 2.
struct Middle {
    at: f64,
    inverse: f64,
    ln: f64,
}

/// Two to the power of each step's begin: 1 to just below 2.
static ROOTS: [f64; STEPS] = roots();
static MIDDLES: [Middle; STEPS] = middles();

/// Numbers below 4 in units of 2⁻⁶².
const POINT: u32 = 62;

const fn from_fixed(value: u128) -> f64 {
    value as f64 / (1u64 << POINT) as f64
}

/// Products of the square roots of 2, of that, and so on.
const fn roots() -> [f64; STEPS] {
    let mut roots = [1u128 << POINT; STEPS];
    let mut root = 2u128 << POINT;
    let mut stride = STEPS;
    while stride > 1 {
        root = (root << POINT).isqrt();
        stride /= 2;
        let mut step = 0;
        while step < STEPS {
            if step & stride != 0 {
                roots[step] = (roots[step] * root) >> POINT;
            }
            step += 1;
        }
    }
    let mut table = [0.0; STEPS];
    let mut step = 0;
    while step < STEPS {
        table[step] = from_fixed(roots[step]);
        step += 1;
    }
    table
}

/// ln m = 2 artanh((m - 1) / (m + 1)), by its series.
const fn middles() -> [Middle; STEPS] {
    let mut table = [const {
        Middle {
            at: 1.0,
            inverse: 1.0,
            ln: 0.0,
        }
    }; STEPS];
    let mut step = 0;
    while step < STEPS {
        // m - 1 in units of 1/256.
        let over = 2 * step as u128 + 1;
        let t = (over << POINT) / (512 + over);
        let (mut power, mut sum, mut odd) = (t, 0, 1);
        while power > 0 {
            sum += power / odd;
            power = (((power * t) >> POINT) * t) >> POINT;
            odd += 2;
        }
        let at = 1.0 + over as f64 / (2 * STEPS) as f64;
        table[step] = Middle {
            at,
            inverse: 1.0 / at,
            ln: from_fixed(2 * sum),
        };
        step += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `libm`'s own error is below one unit in the last place, 2.3e-16 of the result at most.
    const LIBM: f64 = f64::EPSILON;

    proptest! {
        #[test]
        fn exp_agrees_with_libm(x in -700.0..700.0) {
            let expected = libm::exp(x);
            prop_assert!((exp(x) / expected - 1.0).abs() < 4e-16 + LIBM, "{} {expected}", exp(x));
        }

        #[test]
        fn ln_agrees_with_libm(power in -700.0..700.0) {
            let x = libm::exp(power);
            let expected = libm::log(x);
            let bound = (3e-16 + LIBM) * expected.abs().max(1.0);
            prop_assert!((ln(x) - expected).abs() < bound, "{} {expected}", ln(x));
        }

        #[test]
        fn ln_of_a_unit_agrees_with_libm(x in f64::EPSILON..1.0) {
            let expected = libm::log(x);
            let bound = (3e-16 + LIBM) * expected.abs().max(1.0);
            prop_assert!((ln(x) - expected).abs() < bound, "{} {expected}", ln(x));
        }
    }

    #[test]
    fn whole_powers_of_two_are_exact_enough() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(ROOTS[64], std::f64::consts::SQRT_2);
        for power in -1000..1000 {
            let x = libm::exp2(f64::from(power));
            let expected = f64::from(power) * LN_2;
            assert!(
                (ln(x) - expected).abs() <= 3e-16 * expected.abs().max(1.0),
                "2^{power}"
            );
        }
    }

    #[test]
    fn the_edges_of_the_steps_meet() {
        for step in 0..STEPS {
            let edge = 1.0 + step as f64 / STEPS as f64;
            for x in [edge.next_down(), edge, edge.next_up()] {
                assert!((ln(x) - libm::log(x)).abs() < 3e-16 + LIBM, "{x}");
                assert!(
                    (exp(x * LN_2) / libm::exp(x * LN_2) - 1.0).abs() < 4e-16 + LIBM,
                    "{x}"
                );
            }
        }
    }
}
