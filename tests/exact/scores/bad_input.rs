//! What is refused, and by which error.

use ndarray::{Array2, Array3, s};
use tensorjump::dense::glauber_law;
use tensorjump::diffusion::{
    Ends, ExactDenoiser, ExactGlauber, Face, GivenDenoiser, LikelihoodBound, Quadrature, SiteConditionals, TokenNoise,
    classification_loss, glauber_reverse, ratio_matching_loss,
};
use tensorjump::learn::{
    ConditionalTables, Data, GlauberMatched, OperatorOptions, OperatorScores, RatioMatched, RatioMatchingOptions,
    SoftmaxDenoiser, SoftmaxOptions,
};
use tensorjump::model::Boundary;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Error, Result, Streams};

use super::infinite;
use crate::common::all_configs;
use crate::common::random::random_law;

#[test]
fn bad_input_is_named() {
    let law = random_law(&[2, 2], 73);
    let noise = Noise::new(Rates::uniform(&[2, 2], 1.0).unwrap(), Schedule::default());
    let (exact, data) = (ExactDenoiser::new(&law, &noise).unwrap(), infinite(&law));
    let x = all_configs(&[2, 2]);
    let near = Boundary::Open.windows(2, 1);
    let parameter = |r: Result<()>| matches!(r, Err(Error::Parameter { .. }));

    assert!(matches!(Quadrature::logit(&noise, (1.0, 0.5), 8), Err(Error::TimeOrder { .. })));
    assert!(parameter(Quadrature::logit(&noise, (0.0, 0.5), 8).map(drop)));
    assert!(parameter(Quadrature::logit(&noise, (0.1, f64::INFINITY), 8).map(drop)));
    assert!(parameter(Quadrature::logit(&noise, (0.1, 0.5), 0).map(drop)));
    assert!(parameter(noise.time_of_signal(0.0).map(drop)));
    let frozen = Noise::new(Rates::uniform(&[2, 2], 0.0).unwrap(), Schedule::default());
    assert!(parameter(frozen.signal(1.0).map(drop)));
    let few = x.slice(s![..1, ..]);
    assert!(matches!(LikelihoodBound::integrand(&exact, 0.5, few, x.view()), Err(Error::SampleCount { .. })));
    let wrong = ndarray::array![[2u8, 0]];
    assert!(matches!(ratio_matching_loss(&exact, 0.5, wrong.view()), Err(Error::StateOutOfRange { .. })));
    let nodes = Quadrature::logit(&noise, (0.1, 0.5), 4).unwrap();
    let ends = Ends::Exact(&law);
    let one = LikelihoodBound::estimate(&exact, &ends, &nodes, x.view(), 1, &Streams::new(1));
    assert!(matches!(one, Err(Error::TooFewSamples { .. })));

    assert!(matches!(TokenNoise::new(&[2], vec![vec![0.5, 0.4, 0.2]]), Err(Error::NotStochastic { .. })));
    assert!(matches!(TokenNoise::new(&[2], vec![vec![0.5, 0.5]]), Err(Error::Shape { .. })));
    assert!(matches!(TokenNoise::new(&[2], vec![vec![1.5, -0.5, 0.0]]), Err(Error::Negative { .. })));
    assert!(parameter(TokenNoise::new(&[2], vec![]).map(drop)));
    let chain = TokenNoise::uniform(&[2, 2], 2, 0.5).unwrap();
    assert!(parameter(chain.kernel(5).map(drop)));
    let glauber = ExactGlauber::new(&law, &chain).unwrap();
    assert!(parameter(glauber.conditionals(4, x.view()).map(drop)));
    assert!(matches!(classification_loss(&glauber, 0, x.view(), &[true]), Err(Error::SampleCount { .. })));
    let certain = Array2::zeros((1, 2));
    assert!(matches!(chain.conditionals_from_replaced(0, &certain), Err(Error::NotInvertible { .. })));

    let other = Noise::new(Rates::uniform(&[2, 3], 1.0).unwrap(), Schedule::default());
    assert!(matches!(ConditionalTables::tabular(&data, &other, None), Err(Error::LocalDimension { .. })));
    assert!(parameter(ConditionalTables::tabular(&data, &noise, Some(f64::NAN)).map(drop)));
    assert!(parameter(ConditionalTables::new(&data, &noise, &[vec![0], vec![0]], None).map(drop)));
    let big = Data::new(Array2::zeros((1, 24)), &[2; 24]).unwrap();
    let big_noise = Noise::new(Rates::uniform(&[2; 24], 1.0).unwrap(), Schedule::default());
    assert!(matches!(ConditionalTables::tabular(&big, &big_noise, None), Err(Error::TooLarge { .. })));
    let softmax = |options: SoftmaxOptions| SoftmaxDenoiser::new(&data, &noise, &near, None, &options).map(drop);
    let order = SoftmaxOptions { times: vec![0.5, 0.2], ..SoftmaxOptions::default() };
    assert!(matches!(softmax(order), Err(Error::TimeOrder { .. })));
    assert!(parameter(softmax(SoftmaxOptions { times: vec![0.0], ..SoftmaxOptions::default() })));
    assert!(parameter(softmax(SoftmaxOptions { rounds: 0, ..SoftmaxOptions::default() })));
    assert!(parameter(softmax(SoftmaxOptions { ridge: -1.0, ..SoftmaxOptions::default() })));
    let one = Data::new(Array2::zeros((5, 2)), &[2, 2]).unwrap();
    let options = RatioMatchingOptions::default();
    assert!(matches!(RatioMatched::new(&one, &noise, &options), Err(Error::IdenticalSamples { .. })));
    assert!(matches!(GlauberMatched::new(&one, &chain, &options), Err(Error::IdenticalSamples { .. })));
    let none = RatioMatchingOptions { batch: 0, ..RatioMatchingOptions::default() };
    assert!(parameter(RatioMatched::new(&data, &noise, &none).map(drop)));
    let ridge = OperatorOptions { ridge: f64::INFINITY, ..OperatorOptions::default() };
    assert!(parameter(OperatorScores::new(&data, &noise, &near, &ridge).map(drop)));
    let everything = Boundary::Open.windows(24, 24);
    let high = OperatorOptions { degree: 12, ridge: 1.0 };
    assert!(matches!(OperatorScores::new(&big, &big_noise, &everything, &high), Err(Error::TooLarge { .. })));
    // One configuration does not determine the moments without a ridge.
    let free = OperatorOptions { degree: 2, ridge: 0.0 };
    let point = OperatorScores::new(&one, &noise, &near, &free).unwrap();
    assert!(matches!(point.coefficients(0.0), Err(Error::NotInvertible { .. })));
    assert!(matches!(Data::new(Array2::zeros((0, 2)), &[2, 2]), Err(Error::TooFewSamples { .. })));
}

/// Conditionals that answer whatever they were given.
struct Answer(TokenNoise, Array2<f64>);

impl SiteConditionals for Answer {
    fn tokens(&self) -> &TokenNoise {
        &self.0
    }

    fn conditionals(&self, _: usize, _: Configs<'_>) -> Result<Array2<f64>> {
        Ok(self.1.clone())
    }
}

#[test]
fn answers_of_conditionals_are_checked() {
    let (law, x) = (random_law(&[2, 2], 73), all_configs(&[2, 2]));
    let chain = TokenNoise::uniform(&[2, 2], 1, 0.5).unwrap();
    let errors = |p: Array2<f64>| {
        let answer = Answer(chain.clone(), p);
        [
            glauber_reverse(&answer, x.view(), &Streams::new(1)).unwrap_err(),
            glauber_law(&answer, &law).unwrap_err(),
            classification_loss(&answer, 1, x.view(), &[true; 4]).unwrap_err(),
        ]
    };
    for shape in [(4, 3), (3, 2)] {
        assert!(errors(Array2::from_elem(shape, 0.5)).iter().all(|e| matches!(e, Error::Shape { .. })));
    }
    let one = |value: f64| {
        let mut p = Array2::from_elem((4, 2), 0.5);
        p[[2, 1]] = value;
        p
    };
    assert!(errors(one(f64::NAN)).iter().all(|e| matches!(e, Error::NotFinite { site: 1, .. })));
    assert!(errors(one(-0.1)).iter().all(|e| matches!(e, Error::Negative { site: 1, .. })));
    assert!(errors(Array2::zeros((4, 2))).iter().all(|e| matches!(e, Error::ZeroEvidence { row: 0 })));

    let exact = ExactGlauber::new(&law, &chain).unwrap();
    assert!(exact.conditionals(1, x.slice(s![.., ..1])).is_err());
    let wide = TokenNoise::uniform(&[2; 3], 1, 0.5).unwrap();
    let law = random_law(&[2; 3], 73);
    let exact = ExactGlauber::new(&law, &wide).unwrap();
    let error = classification_loss(&exact, 0, ndarray::array![[7, 0, 0]].view(), &[true]).unwrap_err();
    assert!(matches!(error, Error::StateOutOfRange { site: 0, state: 7, .. }));
}

#[test]
fn parts_of_the_bound_are_checked() {
    let law = random_law(&[2, 2], 73);
    let noise = Noise::new(Rates::uniform(&[2, 2], 1.0).unwrap(), Schedule::default());
    let (exact, x) = (ExactDenoiser::new(&law, &noise).unwrap(), all_configs(&[2, 2]));
    let end = |value: f64| {
        let prior = ndarray::array![[0.5, 0.5], [value, 0.5]];
        Ends::Product(prior.view()).at_end(&noise, 1.0, x.view(), x.view())
    };
    assert!(end(0.5).is_ok());
    assert!(matches!(end(f64::NAN), Err(Error::NotFinite { field: "prior", site: 1, .. })));
    assert!(matches!(end(-0.5), Err(Error::Negative { field: "prior", site: 1, .. })));
    assert!(matches!(end(5.0), Err(Error::NotStochastic { field: "prior", site: 1, .. })));
    let prior = Array2::from_elem((2, 2), 0.5);
    for ends in [Ends::Product(prior.view()), Ends::Exact(&law)] {
        for (a, b) in [(3, 4), (4, 3)] {
            let (x, z) = (x.slice(s![..a, ..]), x.slice(s![..b, ..]));
            assert!(matches!(ends.at_start(&exact, 0.1, x, z), Err(Error::SampleCount { .. })));
            assert!(matches!(ends.at_end(&noise, 1.0, x, z), Err(Error::SampleCount { .. })));
        }
    }
    let integrand = |shape: (usize, usize, usize), value: f64| {
        let face = Face::ConditionalMarginals;
        let given = GivenDenoiser::new(noise.clone(), face, |_, _: Configs<'_>| Ok(Array3::from_elem(shape, value)));
        LikelihoodBound::integrand(&given, 0.5, x.view(), x.view())
    };
    assert!(integrand((4, 2, 2), 0.5).is_ok());
    for shape in [(3, 2, 2), (4, 1, 2), (4, 2, 1)] {
        assert!(matches!(integrand(shape, 0.5), Err(Error::Shape { .. })));
    }
    assert!(matches!(integrand((4, 2, 2), f64::NAN), Err(Error::NotFinite { .. })));
    assert!(matches!(integrand((4, 2, 2), -0.5), Err(Error::Negative { .. })));
}

/// No degree is too high: products end with the sites.
#[test]
fn any_degree() {
    let law = random_law(&[2, 2], 73);
    let noise = Noise::new(Rates::uniform(&[2, 2], 1.0).unwrap(), Schedule::default());
    let near = Boundary::Open.windows(2, 1);
    let learn = |degree| {
        let options = OperatorOptions { degree, ridge: 1e-3 };
        OperatorScores::new(&infinite(&law), &noise, &near, &options).unwrap().coefficients(0.5).unwrap()
    };
    assert_eq!(learn(usize::MAX), learn(2));
}
