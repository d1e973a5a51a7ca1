//! References, boxes and `Arc`s of targets are targets.

use std::sync::Arc;

use ndarray::Array1;

use super::traits::Target;
use crate::error::Result;
use crate::model::Configs;
use crate::rng::Stream;

impl<T: Target + ?Sized> Target for &T {
    fn dims(&self) -> &[usize] {
        (**self).dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        (**self).log_weight(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        (**self).initial(stream)
    }
}

impl<T: Target + ?Sized> Target for Box<T> {
    fn dims(&self) -> &[usize] {
        (**self).dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        (**self).log_weight(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        (**self).initial(stream)
    }
}

impl<T: Target + ?Sized> Target for Arc<T> {
    fn dims(&self) -> &[usize] {
        (**self).dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        (**self).log_weight(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        (**self).initial(stream)
    }
}
