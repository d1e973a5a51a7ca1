//! A progress bar on standard error (nothing is drawn where that is no terminal).

use std::io::{IsTerminal, Write, stderr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A bar that threads may share.
pub struct ProgressBar {
    steps: u64,
    done: AtomicU64,
    /// The message, and when the bar was drawn last; none for a bar that is never drawn.
    drawn: Option<Mutex<(String, Instant)>>,
    start: Instant,
}

/// A bar over `steps` steps.
pub fn bar(steps: u64) -> ProgressBar {
    let start = Instant::now();
    let drawn = stderr().is_terminal().then(|| Mutex::new((String::new(), start)));
    ProgressBar { steps, done: AtomicU64::new(0), drawn, start }
}

impl ProgressBar {
    /// A bar that is not drawn.
    pub fn hidden() -> Self {
        ProgressBar { steps: 0, done: AtomicU64::new(0), drawn: None, start: Instant::now() }
    }

    /// Counts steps, and draws the bar some times a second.
    pub fn inc(&self, steps: u64) {
        const PAUSE: Duration = Duration::from_millis(200);
        self.done.fetch_add(steps, Ordering::Relaxed);
        if let Some(Ok(mut drawn)) = self.drawn.as_ref().map(Mutex::try_lock)
            && drawn.1.elapsed() > PAUSE
        {
            drawn.1 = Instant::now();
            self.draw(&drawn.0);
        }
    }

    /// What is being done.
    pub fn set_message(&self, message: impl Into<String>) {
        if let Some(Ok(mut drawn)) = self.drawn.as_ref().map(Mutex::lock) {
            drawn.0 = message.into();
            self.draw(&drawn.0);
        }
    }

    /// Takes the bar away.
    pub fn finish_and_clear(&self) {
        if self.drawn.is_some() {
            eprint!("\r\x1b[K");
        }
    }

    fn draw(&self, message: &str) {
        const WIDTH: usize = 40;
        let done = (self.done.load(Ordering::Relaxed) as f64 / self.steps.max(1) as f64).min(1.0);
        let bar: String = (0..WIDTH).map(|i| if (i as f64) < done * WIDTH as f64 { '━' } else { '─' }).collect();
        let seconds = self.start.elapsed().as_secs();
        eprint!("\r\x1b[K{seconds:>4}s [{bar}] {:>3.0}%  {message}", 100.0 * done);
        let _ = stderr().flush(); // a bar that cannot be drawn stops nothing
    }
}
