//! CPU time of repeated work.

use cpu_time::{ProcessTime, ThreadTime};

use super::Failure;

/// CPU seconds of pieces of work, each divided by the number of its parts.
#[derive(Debug, Default)]
pub struct Pieces {
    seconds: Vec<f64>,
}

impl Pieces {
    /// Runs a piece of work of `parts` parts, on all threads.
    pub fn time<T>(&mut self, parts: usize, work: impl FnOnce() -> T) -> T {
        let clock = ProcessTime::now();
        let result = work();
        self.seconds.push(clock.elapsed().as_secs_f64() / parts as f64);
        result
    }

    /// The same for work on this thread alone.
    pub fn time_thread<T>(&mut self, parts: usize, work: impl FnOnce() -> T) -> T {
        let clock = ThreadTime::now();
        let result = work();
        self.seconds.push(clock.elapsed().as_secs_f64() / parts as f64);
        result
    }

    /// Seconds of a part: the lower quartile of the pieces. Neighbours on the machine only ever add to a
    /// time; and on a virtual machine the clock now and then stands still, so that the shortest time may be
    /// none.
    pub fn quartile(mut self) -> Result<f64, Failure> {
        self.seconds.retain(|&s| s > 0.0);
        self.seconds.sort_by(f64::total_cmp);
        let quarter = self.seconds.len() / 4;
        self.seconds.get(quarter).copied().ok_or_else(|| "the CPU clock stands still".into())
    }
}
