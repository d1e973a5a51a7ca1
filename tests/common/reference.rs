//! The reference files `ising.json` and `spinglass.json`: exact log Z, energies, magnetisations of Ising
//! models.
#![allow(dead_code)]

use serde_json::Value;
use tensorjump::lattice::{Couplings, Geometry, Ising, Square};

/// An open lattice or a cylinder of the files.
pub struct Case {
    /// The case in words.
    pub name: String,
    pub ising: Ising,
    /// Whether the couplings are ±J.
    pub glass: bool,
    /// Instance of ±J couplings.
    pub seed: Option<u64>,
    pub log_z: f64,
    pub energy_per_site: f64,
    pub specific_heat: Option<f64>,
    pub m2: Option<f64>,
}

const ISING: &str = include_str!("../reference/ising.json");
const GLASSES: &str = include_str!("../reference/spinglass.json");

fn read(text: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

/// Every torus with at most `side` columns, and its energy per site.
pub fn tori(side: usize) -> Vec<(Ising, f64)> {
    let cases = read(ISING).into_iter().filter(|case| case["kind"] == "torus");
    let parse = |case: Value| {
        let (l, beta) = (case["L"].as_u64().unwrap() as usize, case["beta"].as_f64().unwrap());
        let couplings = Couplings::uniform(Square::new(l, l, Geometry::Torus).unwrap(), 1.0).unwrap();
        (Ising::new(couplings, beta).unwrap(), case["energy_per_site"].as_f64().unwrap())
    };
    cases.map(parse).filter(|(ising, _)| ising.lattice().cols() <= side).collect()
}

/// Every open and cylinder case with at most `side` columns.
pub fn cases(side: usize) -> Vec<Case> {
    let all = [(ISING, false), (GLASSES, true)].map(|(text, glass)| (read(text), glass));
    let all = all.into_iter().flat_map(|(cases, glass)| cases.into_iter().map(move |case| (case, glass)));
    let planar = all.filter(|(case, _)| case["kind"] != "torus").map(|(case, glass)| parse(&case, glass));
    planar.filter(|case| case.ising.lattice().cols() <= side).collect()
}

fn parse(case: &Value, glass: bool) -> Case {
    let geometry = if case["kind"] == "open" { Geometry::Open } else { Geometry::Cylinder };
    let size = |name: &str| case[name].as_u64().unwrap() as usize;
    let lattice = Square::new(size("M"), size("L"), geometry).unwrap();
    // Absent bonds are marked '0'.
    let signs = |name: &str| -> Vec<f64> {
        let signs = case[name].as_str().unwrap().chars().filter(|&c| c != '0');
        signs.map(|c| if c == '+' { 1.0 } else { -1.0 }).collect()
    };
    let couplings = match glass {
        true => Couplings::new(lattice, signs("Jr"), signs("Jc"), vec![0.0; lattice.sites()]).unwrap(),
        false => Couplings::uniform(lattice, 1.0).unwrap(),
    };
    let number = |name: &str| case[name].as_f64();
    let (kind, beta, seed) = (&case["kind"], number("beta").unwrap(), case["seed"].as_u64());
    let name = format!("{kind} {}x{} beta {beta} seed {seed:?}", lattice.rows(), lattice.cols());
    Case {
        name,
        ising: Ising::new(couplings, beta).unwrap(),
        glass,
        seed,
        log_z: number("logZ").unwrap(),
        energy_per_site: number("energy_per_site").unwrap(),
        specific_heat: number("specific_heat"),
        m2: number("m2"),
    }
}
