//! Threads of one process as ranks.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use tensorjump::ranks::Ranks;
use tensorjump::{Error, Result};

/// One of several threads that send their numbers to each other. Who waits for a minute has been forgotten:
/// an error.
pub struct Threads {
    rank: usize,
    to: Vec<Sender<Vec<f64>>>,
    from: Vec<Receiver<Vec<f64>>>,
    /// Calls of all-gather, and numbers sent.
    pub gathers: Cell<usize>,
    pub sent: Cell<usize>,
}

impl Ranks for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>> {
        self.gathers.update(|n| n + 1);
        self.sent.update(|n| n + mine.len());
        // Who has returned has hung up, and who needs its numbers finds nothing below.
        self.to.iter().for_each(|to| drop(to.send(mine.to_vec())));
        let one = |from: &Receiver<Vec<f64>>| from.recv_timeout(Duration::from_secs(60));
        self.from.iter().map(|from| one(from).map_err(|e| Error::callable("all-gather", e))).collect()
    }
}

/// What `work` returns on each of so many ranks.
pub fn on_ranks<R: Send>(size: usize, work: impl Fn(&Threads) -> R + Sync) -> Vec<R> {
    let mut to: Vec<Vec<_>> = (0..size).map(|_| vec![]).collect();
    let mut from: Vec<Vec<_>> = (0..size).map(|_| vec![]).collect();
    for sends in &mut to {
        for receives in &mut from {
            let (sender, receiver) = channel();
            sends.push(sender);
            receives.push(receiver);
        }
    }
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (to.into_iter().zip(from).enumerate())
            .map(|(rank, (to, from))| {
                let ranks = Threads { rank, to, from, gathers: Cell::new(0), sent: Cell::new(0) };
                scope.spawn(move || work(&ranks))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
