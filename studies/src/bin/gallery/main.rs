//! Pictures of configurations of lattice models, drawn independently.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin gallery  # the Aztec diamond of order 64
//! cargo run --release -p tensorjump-studies --bin gallery -- --picture triangular --order 48 --chi 32
//! ```
//!
//! Of a block of draws by boundary states one is chosen in proportion to its weight: the law of the picture is
//! that of the model up to the inverse of the effective number of draws, which is printed.

mod draw;

use rand::RngExt;
use serde_json::json;
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, PairModel, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Model, Streams};
use tensorjump_studies::output::finish;
use tensorjump_studies::{Failure, choices, options};

choices! {
    /// What is drawn.
    pub enum Picture {
        /// Domino tiling of the Aztec diamond: the arctic circle
        Aztec = "aztec",
        /// Heights of square ice with free borders
        Ice = "ice",
        /// Heights of square ice between domain walls, an alternating-sign matrix
        Walls = "walls",
        /// Triangular antiferromagnet near zero temperature: bonds of equal spins as rhombi
        Triangular = "triangular",
        /// Stripes of the J1–J2 Ising model
        Stripes = "stripes",
        /// The Ising torus at its critical point
        Critical = "critical",
    }
}

options! {
    /// Pictures of configurations of lattice models, drawn independently
    struct Options [seed, threads, json, out "out/gallery"] {
        /// What is drawn
        picture: Picture = Picture::Aztec,
        /// Order of the diamond, rows and columns of the others
        order: usize = 64,
        /// Bond dimension
        chi: usize = 64,
        /// Draws of which one is chosen by its weight
        draws: usize = 256,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(o.threads)?;
    if o.draws == 0 {
        return Err("--draws 0: at least one".into());
    }
    let folder = o.out.open(o.json)?;
    let n = o.order;
    let (model, log_z_exact) = match o.picture {
        Picture::Aztec => (PairModel::aztec_diamond(n, [1.0; 2])?, Some((n * (n + 1) / 2) as f64 * 2f64.ln())),
        Picture::Ice => (PairModel::six_vertex(Square::new(n, n, Geometry::Open)?, [1.0; 3])?, None),
        Picture::Walls => (PairModel::domain_walls(n, [1.0; 3])?, None),
        Picture::Triangular => (ising(Couplings::triangular(Square::new(n, n, Geometry::Open)?, -1.0)?, 1.5)?, None),
        Picture::Stripes => (ising(Couplings::j1_j2(Square::new(n, n, Geometry::Open)?, 1.0, -1.0)?, 0.5)?, None),
        Picture::Critical => {
            let torus = Square::new(n, n, Geometry::Torus)?;
            (ising(Couplings::uniform(torus, 1.0)?, (1.0 + 2f64.sqrt()).ln() / 2.0)?, None)
        }
    };
    // Balancing is for hard constraints.
    let spins = matches!(o.picture, Picture::Triangular | Picture::Stripes | Picture::Critical);
    let law =
        if spins { BoundaryMps::proposal(&model, o.chi)? } else { BoundaryMps::proposal(&model.balanced()?, o.chi)? };
    let streams = Streams::new(o.seed);
    let draws = law.draw(o.draws, &streams)?;
    let log_w = draws.log_importance_weights(&model)?;
    let log_z = Estimate::log_mean_weight(log_w.view())?;
    let fraction = WeightSummary::of(log_w.view())?.fraction;
    let zero = log_w.iter().filter(|w| **w == f64::NEG_INFINITY).count();
    // By its weight.
    let mut rest = streams.domain("choice").stream(0).random::<f64>() * o.draws as f64;
    let relative = |w: &f64| (w - log_z.mean).exp();
    let chosen = log_w.iter().position(|w| {
        rest -= relative(w);
        rest < 0.0
    });
    let chosen = chosen.or_else(|| log_w.iter().rposition(|w| *w > f64::NEG_INFINITY)).unwrap_or_default();
    let x = draws.x.row(chosen).to_vec();
    let text = if o.json {
        options::json(
            &o,
            &json!({
                "picture": o.picture.name(), "fraction": fraction, "zero": zero, "log_z": log_z.mean,
                "stderr_log_z": log_z.error, "log_z_exact": log_z_exact, "chosen": chosen,
            }),
        )?
    } else {
        let exact = log_z_exact.map_or_else(String::new, |z| format!(" (exact {z:.4})"));
        format!(
            "{} of order {n}, χ = {}: draw {chosen} of {}, effective fraction {fraction:.3}, {zero} of weight zero,\n\
             log Z {:.4} ± {:.4}{exact}\n",
            o.picture.name(),
            o.chi,
            o.draws,
            log_z.mean,
            log_z.error,
        )
    };
    finish(&text, folder.as_ref(), || {
        let lattice = model.lattice();
        Ok(vec![match o.picture {
            Picture::Aztec => ("aztec.svg", draw::dominoes(lattice, &x)),
            Picture::Ice => ("ice.svg", draw::heights(lattice, &x)),
            Picture::Walls => ("walls.svg", draw::heights(lattice, &x)),
            Picture::Triangular => ("triangular.svg", draw::rhombi(lattice, &x)),
            Picture::Stripes => ("stripes.svg", draw::stripes(lattice, &x)),
            Picture::Critical => ("critical.svg", draw::spins(lattice, &x)),
        }])
    })
}

fn ising(couplings: Couplings, beta: f64) -> tensorjump::Result<PairModel> {
    Ising::new(couplings, beta)?.pair_model()
}
