//! Pictures of configurations of solvable models, drawn independently.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin gallery  # the Aztec diamond of order 64
//! cargo run --release -p tensorjump-studies --bin gallery -- --picture walls --order 64
//! ```
//!
//! Of a block of draws by boundary states one is chosen in proportion to its weight: the law of the picture is
//! that of the model up to the inverse of the effective number of draws, which is printed.

use std::fmt::Write;

use rand::RngExt;
use serde_json::json;
use tensorjump::lattice::{BoundaryMps, Geometry, PairModel, Square};
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
    }
}

options! {
    /// Pictures of configurations of solvable models, drawn independently
    struct Options [seed, threads, json, out "out/gallery"] {
        /// What is drawn
        picture: Picture = Picture::Aztec,
        /// Order of the diamond, rows and columns of ice
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
    };
    let law = BoundaryMps::proposal(&model.balanced()?, o.chi)?;
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
        Ok(vec![match o.picture {
            Picture::Aztec => ("aztec.svg", dominoes(model.lattice(), &x)),
            Picture::Ice => ("ice.svg", heights(model.lattice(), &x)),
            Picture::Walls => ("walls.svg", heights(model.lattice(), &x)),
        }])
    })
}

/// Dominoes in the four colours of the ways in which one can lie: by where it points from its site of even
/// `r + c`. One path a colour, in units of sites.
fn dominoes(lattice: Square, x: &[u8]) -> String {
    let colours = ["#2a6f97", "#e9c46a", "#c8553d", "#588157"];
    let mut paths = [const { String::new() }; 4];
    let order = lattice.rows() / 2;
    let off = |i: usize| if i < order { order - 1 - i } else { i - order };
    for j in 0..lattice.sites() {
        let (r, c) = lattice.place(j);
        if (r + c) % 2 == 0 && off(r) + off(c) < order {
            let (row, col, shape) = match x[j] {
                0 => (r, c, "h2v1h-2z"),
                1 => (r, c - 1, "h2v1h-2z"),
                2 => (r, c, "h1v2h-1z"),
                _ => (r - 1, c, "h1v2h-1z"),
            };
            let _ = write!(paths[usize::from(x[j] & 3)], "M{col} {row}{shape}"); // to a string, never fails
        }
    }
    let lines = "stroke=\"#fff\" stroke-width=\".12\"";
    svg(lattice.cols(), lattice.rows(), paths.iter().zip(colours), lines)
}

/// Heights of the faces, from dark to light: from face to face by one, up where the arrow that is crossed on
/// the way to the right points up, or on the way down points right.
fn heights(lattice: Square, x: &[u8]) -> String {
    let (rows, cols) = (lattice.rows(), lattice.cols());
    // Right on the left and on the right edge, down on the upper and on the lower edge, by state.
    let right = |s: u8, k: usize| {
        [[true, true], [false, false], [true, true], [false, false], [true, false], [false, true]][usize::from(s)][k]
    };
    let down = |s: u8, k: usize| {
        [[false, false], [true, true], [true, true], [false, false], [false, true], [true, false]][usize::from(s)][k]
    };
    let step = |up: bool| if up { 1i32 } else { -1 };
    let mut h = vec![vec![0i32; cols + 1]; rows + 1];
    for r in 0..=rows {
        if r > 0 {
            h[r][0] = h[r - 1][0] + step(right(x[lattice.site(r - 1, 0)], 0));
        }
        for c in 1..=cols {
            let crossed =
                if r < rows { down(x[lattice.site(r, c - 1)], 0) } else { down(x[lattice.site(r - 1, c - 1)], 1) };
            h[r][c] = h[r][c - 1] + step(!crossed);
        }
    }
    let all = || h.iter().flatten().copied();
    let (least, most) = (all().min().unwrap_or(0), all().max().unwrap_or(0));
    let steps = (most - least).max(1);
    let (dark, light) = ([24.0, 45.0, 84.0], [250.0, 226.0, 160.0]);
    let colour = |k: i32| {
        let t = f64::from(k) / f64::from(steps);
        let mixed: Vec<u8> = (0..3).map(|i| (dark[i] + t * (light[i] - dark[i])).round() as u8).collect();
        format!("#{:02x}{:02x}{:02x}", mixed[0], mixed[1], mixed[2])
    };
    let colours: Vec<String> = (0..=steps).map(colour).collect();
    let mut paths = vec![String::new(); colours.len()];
    for (r, row) in h.iter().enumerate() {
        for (c, height) in row.iter().enumerate() {
            let _ = write!(paths[(height - least) as usize], "M{c} {r}h1v1h-1z"); // to a string, never fails
        }
    }
    svg(cols + 1, rows + 1, paths.iter().zip(colours.iter().map(String::as_str)), "shape-rendering=\"crispEdges\"")
}

/// Paths in their colours on a white ground.
fn svg<'a>(width: usize, height: usize, paths: impl Iterator<Item = (&'a String, &'a str)>, style: &str) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"768\" height=\"{}\" viewBox=\"-1 -1 {} {}\">\n\
         <rect x=\"-1\" y=\"-1\" width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<g {style}>\n",
        768 * (height + 2) / (width + 2),
        width + 2,
        height + 2,
    );
    for (path, colour) in paths.filter(|(path, _)| !path.is_empty()) {
        let _ = writeln!(out, "<path fill=\"{colour}\" d=\"{path}\"/>"); // to a string, never fails
    }
    out + "</g>\n</svg>\n"
}
