//! A model that a dynamics borrows or owns.

use std::ops::Deref;
use std::sync::Arc;

/// A model held by reference, or by an `Arc` of its own: what is made of it then has no lifetime.
///
/// ```
/// use std::sync::Arc;
/// use tensorjump::lattice::square::{SiteHeatBath, Windows};
/// use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, Square};
///
/// let couplings = Couplings::uniform(Square::new(6, 6, Geometry::Torus)?, 1.0)?;
/// let potts = Arc::new(PairModel::potts(&couplings, 3, 1.0)?);
/// let shared: SiteHeatBath<'static> = SiteHeatBath::new(potts.clone());
/// let owning: Windows<'static> = Windows::ising(Ising::new(couplings, 0.4)?, 3, 3, 4)?;
/// let borrowing = Windows::new(&*potts, 3, 3, 4)?;
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug)]
pub enum Held<'a, M> {
    /// Somebody else owns it.
    Borrowed(&'a M),
    /// Owned, alone or together.
    Shared(Arc<M>),
}

impl<M> Clone for Held<'_, M> {
    fn clone(&self) -> Self {
        match self {
            Held::Borrowed(model) => Held::Borrowed(model),
            Held::Shared(model) => Held::Shared(Arc::clone(model)),
        }
    }
}

impl<M> Deref for Held<'_, M> {
    type Target = M;

    fn deref(&self) -> &M {
        match self {
            Held::Borrowed(model) => model,
            Held::Shared(model) => model,
        }
    }
}

impl<M: PartialEq> PartialEq for Held<'_, M> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<'a, M> From<&'a M> for Held<'a, M> {
    fn from(model: &'a M) -> Self {
        Held::Borrowed(model)
    }
}

impl<M> From<M> for Held<'_, M> {
    fn from(model: M) -> Self {
        Held::Shared(Arc::new(model))
    }
}

impl<M> From<Arc<M>> for Held<'_, M> {
    fn from(model: Arc<M>) -> Self {
        Held::Shared(model)
    }
}
