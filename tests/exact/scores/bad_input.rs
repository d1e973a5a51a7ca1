//! What is refused, and by which error.

use ndarray::{Array2, s};
use tensorjump::diffusion::{
    Ends, ExactDenoiser, ExactGlauber, Quadrature, SiteConditionals, TokenNoise, bound_integrand, classification_loss,
    conditionals_from_replaced, likelihood_bound, ratio_matching_loss, signal, time_of_signal,
};
use tensorjump::learn::{
    ConditionalTables, Data, OperatorOptions, OperatorScores, RatioMatchingOptions, SoftmaxDenoiser, SoftmaxOptions,
    glauber_matching, ratio_matching, windows,
};
use tensorjump::model::Boundary;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, Streams};

use super::infinite;
use crate::common::all_configs;
use crate::common::random::random_law;

#[test]
fn bad_input_is_named() {
    let law = random_law(&[2, 2], 73);
    let noise = Noise::new(Rates::uniform(&[2, 2], 1.0).unwrap(), Schedule::default());
    let (exact, data) = (ExactDenoiser::new(&law, &noise).unwrap(), infinite(&law));
    let x = all_configs(&[2, 2]);
    let near = windows(2, 1, Boundary::Open);
    let parameter = |r: Result<(), Error>| matches!(r, Err(Error::Parameter { .. }));

    assert!(matches!(Quadrature::logit(&noise, (1.0, 0.5), 8), Err(Error::TimeOrder { .. })));
    assert!(parameter(Quadrature::logit(&noise, (0.0, 0.5), 8).map(drop)));
    assert!(parameter(Quadrature::logit(&noise, (0.1, f64::INFINITY), 8).map(drop)));
    assert!(parameter(Quadrature::logit(&noise, (0.1, 0.5), 0).map(drop)));
    assert!(parameter(time_of_signal(&noise, 0.0).map(drop)));
    let frozen = Noise::new(Rates::uniform(&[2, 2], 0.0).unwrap(), Schedule::default());
    assert!(parameter(signal(&frozen, 1.0).map(drop)));
    let few = x.slice(s![..1, ..]);
    assert!(matches!(bound_integrand(&exact, 0.5, few, x.view()), Err(Error::SampleCount { .. })));
    let wrong = ndarray::array![[2u8, 0]];
    assert!(matches!(ratio_matching_loss(&exact, 0.5, wrong.view()), Err(Error::StateOutOfRange { .. })));
    let nodes = Quadrature::logit(&noise, (0.1, 0.5), 4).unwrap();
    let ends = Ends::Exact(&law);
    let one = likelihood_bound(&exact, &ends, &nodes, x.view(), 1, &Streams::new(1));
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
    assert!(matches!(conditionals_from_replaced(&chain, 0, &certain), Err(Error::NotInvertible { .. })));

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
    assert!(matches!(ratio_matching(&one, &noise, &options), Err(Error::IdenticalSamples { .. })));
    assert!(matches!(glauber_matching(&one, &chain, &options), Err(Error::IdenticalSamples { .. })));
    let none = RatioMatchingOptions { batch: 0, ..RatioMatchingOptions::default() };
    assert!(parameter(ratio_matching(&data, &noise, &none).map(drop)));
    let ridge = OperatorOptions { ridge: f64::INFINITY, ..OperatorOptions::default() };
    assert!(parameter(OperatorScores::new(&data, &noise, &near, &ridge).map(drop)));
    let everything = windows(24, 24, Boundary::Open);
    let high = OperatorOptions { degree: 12, ridge: 1.0 };
    assert!(matches!(OperatorScores::new(&big, &big_noise, &everything, &high), Err(Error::TooLarge { .. })));
    // One configuration does not determine the moments without a ridge.
    let free = OperatorOptions { degree: 2, ridge: 0.0 };
    let point = OperatorScores::new(&one, &noise, &near, &free).unwrap();
    assert!(matches!(point.coefficients(0.0), Err(Error::NotInvertible { .. })));
    assert!(matches!(Data::new(Array2::zeros((0, 2)), &[2, 2]), Err(Error::TooFewSamples { .. })));
}
