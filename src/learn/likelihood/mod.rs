//! Maximum likelihood from samples: Born and non-negative laws.

pub(super) mod born;
pub(super) mod descent;
pub(super) mod fit;
pub(super) mod positive;
