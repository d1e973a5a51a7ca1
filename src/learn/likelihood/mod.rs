//! Maximum likelihood from samples: Born and non-negative laws.

pub(super) mod born;
pub(super) mod descent;
pub(super) mod fit;
pub(super) mod history;
pub(super) mod positive;
pub(super) mod training;
