//! Scores and token classifiers learned from samples of a system.

use tensorjump::diffusion::{Denoiser, SiteConditionals, TokenNoise};
use tensorjump::learn::{
    ConditionalTables, Data, GlauberMatched, OperatorOptions, OperatorScores, RatioMatched, RatioMatchingOptions,
    SoftmaxDenoiser, SoftmaxOptions,
};
use tensorjump::{Result, Streams};

use crate::systems::System;

/// Number of [`denoisers`].
pub const DENOISERS: usize = 4;

/// Samples to learn from.
pub fn data(system: &System, samples: usize, seed: u64) -> Result<Data> {
    let streams = Streams::new(seed).domain(system.name).domain("data");
    Data::new(system.model.draw(samples, &streams)?.x, system.model.dims())
}

/// Learned denoisers with their names.
pub fn denoisers(system: &System, data: &Data, seed: u64) -> Result<Vec<(&'static str, Box<dyn Denoiser>)>> {
    let (noise, sites) = (&system.noise, system.model.dims().len());
    let near = system.boundary.windows(sites, 2);
    let softmax = SoftmaxOptions { seed, ..SoftmaxOptions::default() };
    let operator =
        OperatorScores::new(data, noise, &system.boundary.windows(sites, sites), &OperatorOptions::default())?;
    let matched = RatioMatched::new(data, noise, &RatioMatchingOptions { seed, ..RatioMatchingOptions::default() })?;
    Ok(vec![
        ("learned table", Box::new(ConditionalTables::tabular(data, noise, None)?)),
        ("learned window softmax", Box::new(SoftmaxDenoiser::new(data, noise, &near, None, &softmax)?)),
        ("operator-informed", Box::new(operator)),
        ("ratio matching, χ = 8", Box::new(matched.denoiser)),
    ])
}

/// A matrix-product law learned by classifying tokens.
pub fn classifier(data: &Data, tokens: &TokenNoise, seed: u64) -> Result<Box<dyn SiteConditionals>> {
    // One site of a noised sample is classified, where ratio matching scores all: more passes.
    let options = RatioMatchingOptions { epochs: 180, seed, ..RatioMatchingOptions::default() };
    Ok(Box::new(GlauberMatched::new(data, tokens, &options)?))
}
