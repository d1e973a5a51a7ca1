//! Published figures, from `studies/published/lattices.json`.

use serde::{Deserialize, Serialize};
use tensorjump_studies::Failure;

/// Figures of one method for one system.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The system, as [`System::name`](super::systems::System::name).
    pub system: String,
    pub method: String,
    /// arXiv number.
    pub source: String,
    pub ess: Option<f64>,
    pub acceptance: Option<f64>,
    /// Estimate or variational value of log Z.
    pub log_z: Option<f64>,
    pub elbo: Option<f64>,
    pub eubo: Option<f64>,
    /// Errors of magnetisation and of two-point functions, as their authors define them.
    pub order_error: Option<f64>,
    pub pair_error: Option<f64>,
    /// Jensen–Shannon divergence of up-fractions.
    pub up_divergence: Option<f64>,
    pub tau_energy: Option<f64>,
    pub tau_order: Option<f64>,
    pub seconds_per_draw: Option<f64>,
    /// What else must be known to compare.
    pub note: Option<String>,
}

/// All figures of the file.
pub fn all() -> Result<Vec<Published>, Failure> {
    Ok(serde_json::from_str(include_str!("../../../published/lattices.json"))?)
}
