//! Rates with a schedule: the noise process and its kernels.

use ndarray::{Array2, s};

use super::kernel::Kernel;
use super::rates::Rates;
use super::schedule::Schedule;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::rng::Streams;

/// Rows of `K_∞` that differ by more than this are the mark of rates without a unique stationary law:
/// equilibrated rows agree to some 1e-13.
const SAME: f64 = 1e-9;

/// Rates with a schedule: the noise process.
#[derive(Debug, Clone)]
#[must_use]
pub struct Noise {
    rates: Rates,
    schedule: Schedule,
}

/// The constant schedule `β = 1`.
impl From<Rates> for Noise {
    fn from(rates: Rates) -> Self {
        Noise::new(rates, Schedule::default())
    }
}

impl Noise {
    /// The process with rates `β(t) Q_j`.
    pub fn new(rates: Rates, schedule: Schedule) -> Self {
        Noise { rates, schedule }
    }

    /// The rate matrices `Q_j`.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The schedule `β(t)`.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Refuses a process of other alphabets, rates or schedule; schedules are compared by `τ` at four times.
    pub(crate) fn check_same(&self, other: &Noise) -> Result<()> {
        match_dims(self.dims_in(), other.dims_in())?;
        match_dims(self.dims_out(), other.dims_out())?;
        let differs = |what: String| Err(Error::parameter("noise of the second denoiser", what, "that of the first"));
        if let Some(site) = (0..self.sites()).find(|&j| self.rates.matrix(j) != other.rates.matrix(j)) {
            return differs(format!("other rates at site {site}"));
        }
        for t in [1e-3, 0.1, 1.0, 10.0] {
            // A schedule that ends before says nothing about later times.
            if let (Ok(tau), Ok(other)) = (self.schedule.integral(t), other.schedule.integral(t))
                && (tau - other).abs() > 1e-12 * tau.abs()
            {
                return differs(format!("other schedule, integral {other} instead of {tau} at t = {t}"));
            }
        }
        Ok(())
    }

    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.rates.sites()
    }

    /// Number of states of each site before the noise.
    pub fn dims_in(&self) -> &[usize] {
        self.rates.dims_in()
    }

    /// Number of states of each noised site (one more where the site can be masked).
    pub fn dims_out(&self) -> &[usize] {
        self.rates.dims_out()
    }

    /// Number of states of each site of a configuration at time `t`: clean at `t = 0`, noised after.
    pub fn dims_at(&self, t: f64) -> &[usize] {
        if t == 0.0 { self.dims_in() } else { self.dims_out() }
    }

    /// The law of the noise from time `s` to `t ≥ s` (`t = ∞` allowed) from the alphabet of time `s`: clean
    /// configurations at `s = 0`, noised ones at `s > 0`; always to noised ones. `kernel(0, s)` followed by
    /// `kernel(s, t)` is `kernel(0, t)`.
    ///
    /// Cost: one matrix exponential (`O(d³)` times the logarithm of the elapsed time) for each distinct rate
    /// matrix, closed forms where they exist, and a copy of the table for each site.
    ///
    /// # Errors
    /// [`Error::Parameter`] for times that are negative or NaN, or where a rate times a finite time
    /// overflows; [`Error::TimeOrder`] for `s > t`; errors of a user-given schedule.
    pub fn kernel(&self, s: f64, t: f64) -> Result<Kernel> {
        self.build(s, t, s == 0.0)
    }

    /// The law of the noise from time `s` to `t ≥ s` between noised configurations, also at `s = 0`.
    ///
    /// # Errors
    /// As [`Noise::kernel`].
    pub fn kernel_between(&self, s: f64, t: f64) -> Result<Kernel> {
        self.build(s, t, false)
    }

    fn build(&self, s: f64, t: f64, from_clean: bool) -> Result<Kernel> {
        let (tables, class_of) = self.class_tables(s, t, from_clean)?;
        Kernel::from_classes(&tables, class_of)
    }

    /// The tables of a kernel for each distinct rate matrix, and which of them each site uses.
    pub(crate) fn class_tables(&self, s: f64, t: f64, from_clean: bool) -> Result<(Vec<Array2<f64>>, &[usize])> {
        let elapsed = self.schedule.elapsed(s, t)?;
        let table = |generator: &super::rates::Generator| {
            let square = generator.exponential(elapsed)?;
            let rows = if from_clean { generator.dim_in() } else { generator.dim_out() };
            Ok(square.slice(s![..rows, ..]).to_owned())
        };
        Ok((self.rates.classes().iter().map(table).collect::<Result<_>>()?, self.rates.class_of()))
    }

    /// The rate matrix of a site at time `t`, `β(t) Q_j`, between noised states, in inverse time.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a site out of range or a time that is negative or NaN; errors of a user-given
    /// schedule.
    pub fn rate_matrix(&self, site: usize, t: f64) -> Result<Array2<f64>> {
        if site >= self.sites() {
            return Err(Error::parameter("site", site, "below the number of sites"));
        }
        Ok(self.rates.matrix(site) * self.schedule.rate(t)?)
    }

    /// `α(t) = e^{−g τ(t)}`, the signal left at time `t`, with `g = −tr Q/(d − 1)` of the fastest site (γ for
    /// uniform noise and masks).
    ///
    /// # Errors
    /// Noise without rates; a time that is negative or NaN; errors of a user-given schedule.
    pub fn signal(&self, t: f64) -> Result<f64> {
        Ok((-self.relaxation()? * self.schedule().integral(t)?).exp())
    }

    /// The time at which [`Noise::signal`] has fallen to `alpha`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `alpha` outside (0, 1], noise without rates, or a schedule that ends before.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::noise::{Noise, Rates, Schedule};
    /// let noise = Noise::new(Rates::uniform(&[3; 4], 2.0)?, Schedule::default());
    /// assert!((noise.time_of_signal(0.5)? - 0.5 * 2f64.ln()).abs() < 1e-15);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn time_of_signal(&self, alpha: f64) -> Result<f64> {
        if !(alpha > 0.0 && alpha <= 1.0) {
            return Err(Error::parameter("alpha", alpha, "between 0 (excluded) and 1"));
        }
        self.schedule().time_after(0.0, -alpha.ln() / self.relaxation()?, f64::INFINITY)
    }

    /// `logit α(t)`, without cancellation at either end.
    pub(crate) fn logit_signal(&self, t: f64) -> Result<f64> {
        let x = self.relaxation()? * self.schedule().integral(t)?;
        Ok(-x - (-(-x).exp_m1()).ln())
    }

    /// Mean relaxation rate `−tr Q/(d − 1)` of the fastest site: γ for uniform noise and for masks, the sum
    /// of both rates for binary flips.
    pub(crate) fn relaxation(&self) -> Result<f64> {
        let rate = |j: usize| {
            let q = self.rates().matrix(j);
            if q.nrows() < 2 { 0.0 } else { -q.diag().sum() / (q.nrows() - 1) as f64 }
        };
        let rate = (0..self.sites()).map(rate).fold(0.0, f64::max);
        if rate > 0.0 { Ok(rate) } else { Err(Error::parameter("relaxation rate of the noise", rate, "positive")) }
    }

    /// The stationary law of each site's rates, shape `(sites, d_out_max)`, padding zero: the product law to
    /// which every data law tends. At finite `T` a start from it is biased.
    ///
    /// # Errors
    /// [`Error::NotInvertible`] naming a site whose rates have no unique stationary law, such as a site
    /// without noise.
    pub fn stationary_law(&self) -> Result<Array2<f64>> {
        Ok(self.stationary()?.tables().slice(s![.., 0, ..]).to_owned())
    }

    /// Draws from the [stationary law](Noise::stationary_law), shape `(samples, sites)`. Row `i` uses stream
    /// `i` of the domain `"start"`.
    ///
    /// # Errors
    /// As [`Noise::stationary_law`].
    pub fn draw_stationary(&self, samples: usize, streams: &Streams) -> Result<Array2<u8>> {
        self.stationary()?.sample(Array2::zeros((samples, self.sites())).view(), &streams.domain("start"))
    }

    /// `K_{0→∞}` with β = 1, all rows of a site equal.
    fn stationary(&self) -> Result<Kernel> {
        let kernel = Noise::new(self.rates().clone(), Schedule::default()).kernel(0.0, f64::INFINITY)?;
        for site in 0..kernel.sites() {
            let table = kernel.table(site);
            let first = table.row(0);
            if table.outer_iter().any(|row| row.iter().zip(&first).any(|(a, b)| (a - b).abs() > SAME)) {
                return Err(Error::NotInvertible { what: "the prior: the stationary law of the rates", site });
            }
        }
        Ok(kernel)
    }
}
