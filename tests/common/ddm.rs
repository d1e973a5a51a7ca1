//! The reference files `ddm_*.json`: small models with their noised laws, posteriors and scores by
//! enumeration.

use ndarray::{Array2, Array3};
use serde_json::Value;
use tensorjump::noise::{Noise, Rates, Schedule};

/// The names of the four files.
pub const NAMES: [&str; 4] = ["linear_N8", "linear_d3", "born_N8", "born_d4"];

/// One reference case, in the row-stochastic convention.
pub struct Ddm {
    pub born: bool,
    pub dims: Vec<usize>,
    pub s: f64,
    pub t: f64,
    /// Tensors `(χ_{j−1}, d, χ_j)`: `P(x) = A_1[x_1]⋯/Z`, or its square over `Z` for Born models.
    pub tensors: Vec<Array3<f64>>,
    pub z: f64,
    /// Row-stochastic rate matrices, with β = 1.
    pub rates: Vec<Array2<f64>>,
    pub p_0: Vec<f64>,
    pub p_s: Vec<f64>,
    pub p_t: Vec<f64>,
    pub y: Vec<u8>,
    pub p_s_given_y: Vec<f64>,
    pub p_0_given_y: Vec<f64>,
    /// `P_t(y^{j→b}) / P_t(y)`, shape `(sites, d)`.
    pub ratios: Array2<f64>,
    /// Reverse rates out of `y`, zero at `b = y_j`.
    pub reverse_rates: Array2<f64>,
}

impl Ddm {
    pub fn noise(&self) -> Noise {
        Noise::new(Rates::new(self.rates.clone()).unwrap(), Schedule::default())
    }
}

fn numbers(v: &Value) -> Vec<f64> {
    match v {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

/// Reads `tests/reference/ddm_<name>.json`.
pub fn load_ddm(name: &str) -> Ddm {
    let path = format!("{}/tests/reference/ddm_{name}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let get = |key: &str| numbers(&file[key]);
    let (sites, d) = (file["N"].as_u64().unwrap() as usize, file["d"].as_u64().unwrap() as usize);
    let list = |key: &str| file[key].as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
    let shapes = list("shapes");
    let tensors = list("A").into_iter().zip(&shapes);
    let table = |key: &str| Array2::from_shape_vec((sites, d), get(key)).unwrap();
    Ddm {
        born: file["kind"] == "born",
        dims: vec![d; sites],
        s: get("s")[0],
        t: get("t")[0],
        tensors: tensors
            .map(|(a, n)| Array3::from_shape_vec((n[0] as usize, n[1] as usize, n[2] as usize), a).unwrap())
            .collect(),
        z: get("Z")[0],
        // The file has W[y][x], the rate from x to y.
        rates: list("W")
            .into_iter()
            .map(|w| Array2::from_shape_vec((d, d), w).unwrap().t().as_standard_layout().into_owned())
            .collect(),
        p_0: get("P0"),
        p_s: get("Ps"),
        p_t: get("Pt"),
        y: get("y").iter().map(|&a| a as u8).collect(),
        p_s_given_y: get("P_xs_given_xt"),
        p_0_given_y: get("P_x0_given_xt"),
        ratios: table("ratios_Pt"),
        reverse_rates: table("reverse_rates"),
    }
}
