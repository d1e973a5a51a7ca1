//! The seven laws on the plane: draws and exact densities.
//!
//! Four of them are curves with noise: their density is an integral along the curve, by a midpoint rule much
//! finer than the noise.

use std::f64::consts::{PI, TAU};

use rand::RngExt;
use rand_distr::StandardNormal;
use tensorjump::Stream;

/// Names of the data sets, in the order of the published tables.
pub const NAMES: [&str; 7] = ["2spirals", "8gaussians", "circles", "moons", "pinwheel", "swissroll", "checkerboard"];

/// A law on the plane.
pub struct Planar {
    shape: Shape,
    nodes: Vec<Node>,
    /// Standard deviation of the noise around a node.
    sigma: f64,
    /// Offsets that are added to each coordinate independently, with their weights.
    offsets: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Spirals,
    Gaussians,
    Circles,
    Moons,
    Pinwheel,
    Roll,
    Checkerboard,
}

/// A point of a curve with its share of the law.
struct Node {
    at: [f64; 2],
    weight: f64,
}

/// Nodes and weights of Gauss and Legendre on [−1, 1].
const GAUSS: [(f64, f64); 5] = [
    (0.0, 128.0 / 225.0),
    (0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (-0.538_469_310_105_683_1, 0.478_628_670_499_366_47),
    (0.906_179_845_938_664, 0.236_926_885_056_189_08),
    (-0.906_179_845_938_664, 0.236_926_885_056_189_08),
];

/// Width of the uniform offsets of the spirals, after the division by 3.
const BOX: f64 = 0.5 / 3.0;

impl Planar {
    pub fn new(name: &str) -> Option<Self> {
        let shape = match name {
            "2spirals" => Shape::Spirals,
            "8gaussians" => Shape::Gaussians,
            "circles" => Shape::Circles,
            "moons" => Shape::Moons,
            "pinwheel" => Shape::Pinwheel,
            "swissroll" => Shape::Roll,
            "checkerboard" => Shape::Checkerboard,
            _ => return None,
        };
        // Ends of the parameter, number of nodes, branches, noise.
        let (from, to, count, branches, sigma) = match shape {
            Shape::Spirals => (0.0, 3.0 * PI, 2400, 2, 0.1),
            Shape::Circles => (0.0, TAU, 200, 2, 3.0 * 0.08),
            Shape::Moons => (0.0, PI, 400, 2, 2.0 * 0.1),
            Shape::Roll => (1.5 * PI, 4.5 * PI, 2000, 1, 0.2),
            Shape::Gaussians => (0.0, 0.0, 0, 8, 0.5 / 1.414),
            Shape::Pinwheel | Shape::Checkerboard => (0.0, 0.0, 0, 0, 1.0),
        };
        let mut planar = Planar { shape, nodes: Vec::new(), sigma, offsets: vec![(0.0, 1.0)] };
        let step = (to - from) / count.max(1) as f64;
        for branch in 0..branches {
            for k in 0..count.max(1) {
                let t = from + (k as f64 + 0.5) * step;
                let density = if shape == Shape::Spirals {
                    2.0 * t / (3.0 * PI).powi(2) * step
                } else {
                    1.0 / count.max(1) as f64
                };
                planar.nodes.push(Node { at: planar.curve(branch, t), weight: density / branches as f64 });
            }
        }
        if shape == Shape::Spirals {
            planar.offsets = GAUSS.iter().map(|(x, w)| (0.5 * BOX * x, 0.5 * w)).collect();
        }
        Some(planar)
    }

    /// The curve without noise; the spirals at the middle of their boxes.
    fn curve(&self, branch: usize, t: f64) -> [f64; 2] {
        let sign = if branch == 0 { 1.0 } else { -1.0 };
        match self.shape {
            Shape::Spirals => [sign * (-t.cos() * t + 0.25) / 3.0, sign * (t.sin() * t + 0.25) / 3.0],
            Shape::Circles => {
                let radius = if branch == 0 { 3.0 } else { 1.5 };
                [radius * t.cos(), radius * t.sin()]
            }
            Shape::Moons if branch == 0 => [2.0 * t.cos() - 1.0, 2.0 * t.sin() - 0.2],
            Shape::Moons => [2.0 * (1.0 - t.cos()) - 1.0, 2.0 * (0.5 - t.sin()) - 0.2],
            Shape::Roll => [t * t.cos() / 5.0, t * t.sin() / 5.0],
            _ => {
                let angle = branch as f64 * TAU / 8.0;
                [4.0 * angle.cos() / 1.414, 4.0 * angle.sin() / 1.414]
            }
        }
    }

    /// One draw.
    pub fn sample(&self, rng: &mut Stream) -> [f64; 2] {
        let mut normal = || -> f64 { rng.sample(StandardNormal) };
        let noise = [normal(), normal()];
        let mut uniform = || rng.random::<f64>();
        let (u, v) = (uniform(), uniform());
        match self.shape {
            Shape::Checkerboard => {
                let x = 4.0 * u - 2.0;
                let y = v - if uniform() < 0.5 { 2.0 } else { 0.0 };
                [2.0 * x, 2.0 * (y + x.floor().rem_euclid(2.0))]
            }
            Shape::Pinwheel => {
                let f = [1.0 + 0.3 * noise[0], 0.1 * noise[1]];
                let angle = (5.0 * u).floor() * TAU / 5.0 + 0.25 * f[0].exp();
                let (s, c) = angle.sin_cos();
                [2.0 * (f[0] * c + f[1] * s), 2.0 * (-f[0] * s + f[1] * c)]
            }
            shape => {
                let branches = match shape {
                    Shape::Gaussians => 8,
                    Shape::Roll => 1,
                    _ => 2,
                };
                let branch = ((branches as f64 * u) as usize).min(branches - 1);
                let t = match shape {
                    Shape::Spirals => v.sqrt() * 3.0 * PI,
                    Shape::Circles => TAU * v,
                    Shape::Moons => PI * v,
                    _ => 1.5 * PI * (1.0 + 2.0 * v),
                };
                let mut at = self.curve(branch, t);
                for (at, noise) in at.iter_mut().zip(noise) {
                    *at += self.sigma * noise;
                    if shape == Shape::Spirals {
                        *at += BOX * (uniform() - 0.5);
                    }
                }
                at
            }
        }
    }

    /// The density at a point.
    pub fn density(&self, v: [f64; 2]) -> f64 {
        match self.shape {
            Shape::Checkerboard => {
                let (x, y) = (v[0] / 2.0, v[1] / 2.0);
                let y = y - x.floor().rem_euclid(2.0);
                let inside = x.abs() <= 2.0 && ((-2.0..-1.0).contains(&y) || (0.0..1.0).contains(&y));
                if inside { 1.0 / 32.0 } else { 0.0 }
            }
            Shape::Pinwheel => pinwheel([v[0] / 2.0, v[1] / 2.0]) / 4.0,
            _ => self.along_nodes(v),
        }
    }

    fn along_nodes(&self, v: [f64; 2]) -> f64 {
        let reach = 7.5 * self.sigma + if self.offsets.len() > 1 { BOX / 2.0 } else { 0.0 };
        let scale = -0.5 / (self.sigma * self.sigma);
        let kernel = |d: f64| self.offsets.iter().map(|(x, w)| w * (scale * (d - x) * (d - x)).exp()).sum::<f64>();
        let near = |n: &&Node| (v[0] - n.at[0]).abs() < reach && (v[1] - n.at[1]).abs() < reach;
        let part = |n: &Node| n.weight * kernel(v[0] - n.at[0]) * kernel(v[1] - n.at[1]);
        self.nodes.iter().filter(near).map(part).sum::<f64>() / (TAU * self.sigma * self.sigma)
    }
}

/// Density of the pinwheel before the factor 2: the features `f` are turned by an angle that depends on the
/// first of them, so the radius is kept and the polar angle `φ` of `f` solves `φ − angle(f_0) = arg v`, one
/// equation an arm.
fn pinwheel(v: [f64; 2]) -> f64 {
    const STEPS: usize = 64;
    let (radius, direction) = (v[0].hypot(v[1]), v[1].atan2(v[0]));
    let mut total = 0.0;
    for arm in 0..5 {
        let miss = |phi: f64| phi - f64::from(arm) * TAU / 5.0 - 0.25 * (radius * phi.cos()).exp() - direction;
        let turns = |x: f64| (x / TAU).round();
        // Features lie within 8 standard deviations of (1, 0): |φ| stays below π.
        let mut low = (-PI, miss(-PI));
        for k in 1..=STEPS {
            let phi = -PI + TAU * k as f64 / STEPS as f64;
            let high = (phi, miss(phi));
            for turn in
                [turns(low.1), turns(high.1)].into_iter().enumerate().filter(|(i, t)| *i == 0 || *t != turns(low.1))
            {
                let shift = turn.1 * TAU;
                if (low.1 - shift) * (high.1 - shift) <= 0.0 {
                    let (mut a, mut b) = (low.0, high.0);
                    let rising = high.1 > low.1;
                    for _ in 0..45 {
                        let middle = 0.5 * (a + b);
                        if (miss(middle) - shift > 0.0) == rising { b = middle } else { a = middle }
                    }
                    let f = [radius * a.cos(), radius * a.sin()];
                    let z = [(f[0] - 1.0) / 0.3, f[1] / 0.1];
                    // The turn changes area by 1 + θ′ f_1: dφ/d(arg) at fixed radius.
                    let area = (1.0 + 0.25 * f[0].exp() * f[1]).abs();
                    total += 0.2 * (-0.5 * (z[0] * z[0] + z[1] * z[1])).exp() / (TAU * 0.03 * area);
                }
            }
            low = high;
        }
    }
    total
}
