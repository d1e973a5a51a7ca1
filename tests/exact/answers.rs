//! Answers of user-given denoisers that are no laws: named errors everywhere, never a silent result.

use ndarray::{Array3, array};
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::reverse::{Method, Step, TimeGrid, reverse};
use tensorjump::diffusion::{
    Denoiser, ExactDenoiser, Face, GivenDenoiser, Guided, Scheme, conditional_kl, ratio_matching_loss,
    score_matching_loss,
};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Error, Result, Streams};

/// A denoiser of two sites that always gives the same table, or one row too few.
struct Bad {
    noise: Noise,
    value: f64,
    short: bool,
}

impl Denoiser for Bad {
    fn noise(&self) -> &Noise {
        &self.noise
    }

    fn conditional_marginals(&self, _t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        Ok(Array3::from_elem((y.nrows() - usize::from(self.short), 2, 2), self.value))
    }
}

fn noise(gamma: f64) -> Noise {
    Noise::new(Rates::uniform(&[2; 2], gamma).unwrap(), Schedule::default())
}

#[test]
fn answers_that_are_no_laws_are_named() {
    let y = array![[0u8, 1], [1, 1]];
    let law = DenseLaw::new(&[2, 2], &[0.4, 0.1, 0.2, 0.3]).unwrap();
    let noise = noise(1.0);
    let exact = ExactDenoiser::new(&law, &noise).unwrap();
    let grid = TimeGrid::uniform(1.0, 0.0, 2).unwrap();
    let expected = |value: f64, short: bool, error: Error| match error {
        Error::Shape { .. } => short,
        Error::NotFinite { .. } => value.is_nan(),
        Error::Negative { .. } => value < 0.0,
        _ => false,
    };
    for (value, short) in [(f64::NAN, false), (-0.5, false), (0.5, true)] {
        let bad = Bad { noise: noise.clone(), value, short };
        let seen = |error: Option<Error>| {
            let error = error.expect("an error");
            assert!(expected(value, short, error.clone()), "{value} {short}: {error}");
        };
        seen(ratio_matching_loss(&bad, 0.5, y.view()).err());
        seen(score_matching_loss(&bad, 0.5, y.view()).err());
        seen(conditional_kl(&exact, &bad, 0.5, y.view()).err());
        seen(bad.reverse_rates(0.5, y.view()).err());
        for step in [Step::Euler, Step::TauLeaping, Step::Analytical] {
            seen(reverse(&bad, y.view(), &grid, &Method::from(step), true, &Streams::new(1)).err());
        }
        for scheme in [Scheme::ClassifierFree, Scheme::ClassifierBased] {
            let guided = Guided::new(&bad, &exact, scheme, 2.0).unwrap();
            seen(guided.sample(&[1.0, 0.5], y.view(), &Streams::new(1)).err());
            seen(guided.conditional_marginals(0.5, y.view()).err());
        }
    }
}

#[test]
fn given_faces_are_checked_and_padding_is_ignored() {
    let y = array![[0u8, 1]];
    for face in [Face::Cavities, Face::DenoiserMarginals, Face::ConditionalMarginals, Face::ScoreRatios] {
        let bad = GivenDenoiser::new(noise(1.0), face, |_, y| Ok(Array3::from_elem((y.nrows(), 2, 2), -0.5)));
        assert!(matches!(bad.conditional_marginals(0.5, y.view()), Err(Error::Negative { .. })), "{face:?}");
        assert!(matches!(bad.cavities(0.5, y.view()), Err(Error::Negative { .. })), "{face:?}");
        let huge = GivenDenoiser::new(noise(1.0), face, |_, y| Ok(Array3::from_elem((y.nrows(), 2, 2), 1e308)));
        let cavities = huge.cavities(0.5, y.view()).unwrap();
        assert!(cavities.iter().all(|c| c.is_finite() && *c > 0.0), "{face:?}: {cavities}");
    }
    let uneven = Noise::new(Rates::uniform(&[2, 3], 1.0).unwrap(), Schedule::default());
    let ones = GivenDenoiser::new(uneven, Face::ScoreRatios, |_, y| Ok(Array3::ones((y.nrows(), 2, 3))));
    let p = ones.conditional_marginals(0.5, y.view()).unwrap();
    assert!((p[[0, 0, 0]] - 0.5).abs() < 1e-15 && p[[0, 0, 2]] == 0.0 && (p[[0, 1, 2]] - 1.0 / 3.0).abs() < 1e-15);
}

#[test]
fn denoisers_of_other_noise_are_not_combined() {
    let law = DenseLaw::new(&[2, 2], &[0.4, 0.1, 0.2, 0.3]).unwrap();
    let (slow, fast) = (noise(1.0), noise(3.0));
    let later = Noise::new(Rates::uniform(&[2; 2], 1.0).unwrap(), Schedule::linear(0.5, 1.0, 1.0).unwrap());
    let exact = ExactDenoiser::new(&law, &slow).unwrap();
    for other in [&fast, &later] {
        let other = ExactDenoiser::new(&law, other).unwrap();
        let refused = |error| matches!(error, Error::Parameter { name: "noise of the second denoiser", .. });
        assert!(Guided::new(&exact, &other, Scheme::ClassifierFree, 1.0).is_err_and(refused));
        assert!(conditional_kl(&exact, &other, 0.5, array![[0, 1]].view()).is_err_and(refused));
    }
}
