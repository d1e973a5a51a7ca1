//! One face for all models of pair weights: what boundary states, snakes, clusters and windows are made from.

use std::borrow::Cow;
use std::ops::Deref;

use super::geometry::Square;
use super::ising::Ising;
use super::pair::PairModel;
use super::rectangle::Rectangle;
use crate::error::Result;
use crate::model::Target;

/// A model with weights on the sites and the nearest-neighbour bonds of a square lattice.
///
/// ```
/// use tensorjump::lattice::{BoundaryMps, ContractOptions, Contraction};
/// use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, Square};
///
/// let couplings = Couplings::uniform(Square::new(4, 4, Geometry::Cylinder)?, 1.0)?;
/// let (ising, potts) = (Ising::new(couplings.clone(), 0.4)?, PairModel::potts(&couplings, 3, 1.0)?);
/// let (of_ising, of_potts) = (BoundaryMps::new(&ising, 8)?, BoundaryMps::new(&potts, 9)?);
/// let log_z = Contraction::new(&ising, &ContractOptions::default())?.log_z;
/// assert!((of_ising.log_z() - log_z).abs() < 1e-9 && of_potts.log_z() > 0.0);
/// # Ok::<(), tensorjump::Error>(())
/// ```
pub trait Pairwise: Target {
    /// The lattice.
    fn lattice(&self) -> Square;

    /// The weights as tables.
    ///
    /// # Errors
    /// [`Error::Entry`](crate::Error::Entry) where a log-weight is not finite.
    fn tables(&self) -> Result<Cow<'_, PairModel>>;

    /// The model in `rectangle`, the other sites frozen as in the configuration `x`, length `sites`.
    ///
    /// # Errors
    /// As [`PairModel::window`].
    fn frozen(&self, rectangle: Rectangle, x: &[u8]) -> Result<PairModel>;

    /// The Ising model, where it is one.
    fn as_ising(&self) -> Option<&Ising> {
        None
    }
}

impl Pairwise for PairModel {
    fn lattice(&self) -> Square {
        self.lattice()
    }

    fn tables(&self) -> Result<Cow<'_, PairModel>> {
        Ok(Cow::Borrowed(self))
    }

    fn frozen(&self, rectangle: Rectangle, x: &[u8]) -> Result<PairModel> {
        self.window(rectangle, x)
    }
}

impl Pairwise for Ising {
    fn lattice(&self) -> Square {
        self.lattice()
    }

    fn tables(&self) -> Result<Cow<'_, PairModel>> {
        Ok(Cow::Owned(self.pair_model()?))
    }

    /// Without the tables of the whole lattice.
    fn frozen(&self, rectangle: Rectangle, x: &[u8]) -> Result<PairModel> {
        self.window(rectangle, x)?.pair_model()
    }

    fn as_ising(&self) -> Option<&Ising> {
        Some(self)
    }
}

/// Whatever points at a model is that model: `&M`, `Box<M>`, `Arc<M>`.
impl<P: Deref<Target: Pairwise> + Send + Sync> Pairwise for P {
    fn lattice(&self) -> Square {
        (**self).lattice()
    }

    fn tables(&self) -> Result<Cow<'_, PairModel>> {
        (**self).tables()
    }

    fn frozen(&self, rectangle: Rectangle, x: &[u8]) -> Result<PairModel> {
        (**self).frozen(rectangle, x)
    }

    fn as_ising(&self) -> Option<&Ising> {
        (**self).as_ising()
    }
}
