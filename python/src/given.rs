//! Laws of labels that own what they are made of.

use std::sync::Arc;

use ndarray::{Array1, Array3};
use tensorjump::model::{Given, LabelLeg, PositiveMps};
use tensorjump::{Configs, ExactModel, Model, Result, Samples, SiteWeights, Stream, Streams, Target};

/// The law of a class or of all classes, which owns what it needs.
pub struct OwnedGiven {
    leg: Arc<LabelLeg<PositiveMps>>,
    label: Option<usize>,
    dims: Vec<usize>,
}

impl OwnedGiven {
    pub fn new(leg: Arc<LabelLeg<PositiveMps>>, label: Option<usize>, dims: Vec<usize>) -> Self {
        OwnedGiven { leg, label, dims }
    }

    fn given(&self) -> Result<Given<'_, PositiveMps>> {
        self.label.map_or_else(|| Ok(self.leg.marginal()), |label| self.leg.class(label))
    }
}

impl Target for OwnedGiven {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.given()?.log_weight(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        self.given().ok()?.initial(stream)
    }
}

impl Model for OwnedGiven {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        self.given()?.sample(w, n, streams)
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        self.given()?.log_prob_given(x, w)
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        self.given()?.redraw(w, old, streams)
    }
}

impl ExactModel for OwnedGiven {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        self.given()?.log_evidence(w)
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        self.given()?.cavities(w)
    }
}
