//! Tempering as files.

use std::path::Path;

use ndarray::{Array2, Array3};

use super::levels::Tempering;
use super::replicas::{Replicas, ReplicasSnapshot};
use super::walkers::{End, Record, Walkers};
use crate::error::Result;
use crate::io::safetensors::Store;
use crate::mcmc::moves::Move;
use crate::mcmc::stored::{of_file, put_reports, reports};
use crate::model::Target;

pub(super) const KIND: &str = "tensorjump replicas";

impl Replicas {
    /// Writes everything to a `.safetensors` file: configurations and log-weights, seed and updates, the
    /// parameters of the levels, walkers, counts and reports.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) with what the operating system said; the old file, if any, is then
    /// untouched.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut store = Store::new(KIND);
        self.save(&mut store);
        store.write(path.as_ref())
    }

    pub(super) fn save(&self, store: &mut Store) {
        store.note("seed", self.seed);
        store.note("updates", self.updates);
        self.dynamics.iter().for_each(|words| store.note("dynamics", words));
        let (levels, copies) = (self.chains.len(), self.walkers.len());
        store.put("parameters", &[levels], &self.parameters);
        let x = Array3::from_shape_fn((levels, copies, self.chains[0].x().ncols()), |(k, copy, site)| {
            self.chains[k].x()[[copy, site]]
        });
        let log_weight = Array2::from_shape_fn((levels, copies), |(k, copy)| self.chains[k].log_weight()[copy]);
        store.put_array("x", x.view());
        store.put_array("log-weights", log_weight.view());
        let walkers: Vec<Record> = self.walkers.iter().cloned().map(Record::from).collect();
        let counts = |of: &dyn Fn(&Record) -> Vec<u64>| walkers.iter().flat_map(of).collect::<Vec<_>>();
        store.put("walkers", &[copies, levels], &counts(&|w| w.at.iter().map(|&walker| walker as u64).collect()));
        store.put("ends", &[copies, levels], &counts(&|w| w.end.iter().copied().map(number).collect()));
        store.put("crossings", &[copies, levels], &counts(&|w| w.crossings.clone()));
        store.put("attempts", &[copies, levels - 1], &counts(&|w| w.attempts.clone()));
        let probability: Vec<f64> = walkers.iter().flat_map(|w| w.probability.iter().copied()).collect();
        store.put("probability", &[copies, levels - 1], &probability);
        put_reports(store, &self.reports);
    }
}

/// The end that a walker visited last, as it stands in a file.
fn number(end: Option<End>) -> u64 {
    match end {
        None => 0,
        Some(End::First) => 1,
        Some(End::Last) => 2,
    }
}

impl<T: Target, M: Move> Tempering<T, M> {
    /// Reads replicas of this ladder, bit for bit: updates, exchanges and counts go on as if never
    /// interrupted.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File); [`Error::Format`](crate::Error::Format) for a file that is cut
    /// off, damaged, of another kind, of another ladder (levels, parameters) or of other targets (sites,
    /// states, a log-weight that is not the target's to 10⁻⁹), naming what differs; errors of the targets.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Replicas> {
        self.load(&Store::read(path.as_ref(), KIND)?)
    }

    pub(super) fn load(&self, store: &Store) -> Result<Replicas> {
        self.resume(ReplicasSnapshot::load(store)?).map_err(|error| of_file(store, error))
    }
}

impl ReplicasSnapshot {
    /// What [`Replicas::write`] has written.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        ReplicasSnapshot::load(&Store::read(path, KIND)?)
    }

    fn load(store: &Store) -> Result<Self> {
        let x: Array3<u8> = store.array("x")?;
        let log_weight: Array2<f64> = store.array("log-weights")?;
        Ok(ReplicasSnapshot {
            seed: store.noted("seed")?,
            updates: store.noted("updates")?,
            parameters: store.numbers("parameters")?,
            x: x.outer_iter().map(|x| x.to_owned()).collect(),
            log_weight: log_weight.outer_iter().map(|w| w.to_owned()).collect(),
            walkers: walkers(store)?,
            reports: reports(store)?,
            dynamics: if store.has_note("dynamics") { Some(store.noted("dynamics")?) } else { None },
        })
    }
}

fn walkers(store: &Store) -> Result<Vec<Walkers>> {
    let counts = |name: &str| store.array::<u64, _>(name);
    let (at, end, crossings): (Array2<u64>, Array2<u64>, Array2<u64>) =
        (counts("walkers")?, counts("ends")?, counts("crossings")?);
    let (attempts, probability): (Array2<u64>, Array2<f64>) = (counts("attempts")?, store.array("probability")?);
    if [end.nrows(), crossings.nrows(), attempts.nrows(), probability.nrows()].iter().any(|&n| n != at.nrows()) {
        return Err(store.wrong("counts of another number of copies"));
    }
    let end_of = |&number: &u64| match number {
        0 => Ok(None),
        1 => Ok(Some(End::First)),
        2 => Ok(Some(End::Last)),
        other => Err(store.wrong(&format!("`ends` holds {other}, ends are 0 to 2"))),
    };
    let copy = |copy: usize| {
        let record = Record {
            at: at.row(copy).iter().map(|&walker| walker as usize).collect(),
            end: end.row(copy).iter().map(end_of).collect::<Result<_>>()?,
            crossings: crossings.row(copy).to_vec(),
            attempts: attempts.row(copy).to_vec(),
            probability: probability.row(copy).to_vec(),
        };
        Walkers::try_from(record).map_err(|error| of_file(store, error))
    };
    (0..at.nrows()).map(copy).collect()
}
