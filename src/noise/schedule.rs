//! Schedules `β(t) ≥ 0` with their exact integral `τ(t) = ∫_0^t β`.
//!
//! Differences `τ(t) − τ(s)` are formed without cancellation, so that kernels over short steps keep their
//! relative accuracy.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};

/// A function of time given by the user.
type TimeFunction = Arc<dyn Fn(f64) -> f64 + Send + Sync>;

/// The factor `β(t)` of all rates, dimensionless; times in units of the inverse rate.
///
/// The default is `β = 1`.
#[derive(Clone)]
#[must_use]
pub struct Schedule(Form);

#[derive(Clone)]
enum Form {
    Constant { beta: f64 },
    Linear { beta0: f64, beta1: f64, horizon: f64 },
    Geometric { beta0: f64, beta1: f64, horizon: f64 },
    User { beta: TimeFunction, integral: TimeFunction },
}

impl Default for Schedule {
    fn default() -> Self {
        Schedule(Form::Constant { beta: 1.0 })
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Constant { beta } => write!(f, "Constant({beta})"),
            Form::Linear { beta0, beta1, horizon } => write!(f, "Linear({beta0} to {beta1} at {horizon})"),
            Form::Geometric { beta0, beta1, horizon } => write!(f, "Geometric({beta0} to {beta1} at {horizon})"),
            Form::User { .. } => write!(f, "User"),
        }
    }
}

/// `rate · time`, zero at rate zero even for infinite times.
fn product(rate: f64, time: f64) -> f64 {
    if rate == 0.0 { 0.0 } else { rate * time }
}

/// Checks a time: not negative, not NaN.
fn check_time(name: &'static str, t: f64) -> Result<()> {
    if t >= 0.0 { Ok(()) } else { Err(Error::parameter(name, t, "a time that is not negative")) }
}

/// Checks a parameter against a condition.
fn require(ok: bool, name: &'static str, value: f64, expected: &'static str) -> Result<()> {
    if ok && value.is_finite() { Ok(()) } else { Err(Error::parameter(name, value, expected)) }
}

impl Schedule {
    /// `β(t) = β`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for β negative or not finite.
    pub fn constant(beta: f64) -> Result<Self> {
        require(beta >= 0.0, "beta", beta, "finite and not negative")?;
        Ok(Schedule(Form::Constant { beta }))
    }

    /// `β(t) = β_0 + (β_1 − β_0) t/T` up to the horizon `T`, then `β_1`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `β_0` or `β_1` negative or not finite, or a horizon that is not positive and
    /// finite.
    pub fn linear(beta0: f64, beta1: f64, horizon: f64) -> Result<Self> {
        require(beta0 >= 0.0, "beta0", beta0, "finite and not negative")?;
        require(beta1 >= 0.0, "beta1", beta1, "finite and not negative")?;
        require(horizon > 0.0, "horizon", horizon, "finite and positive")?;
        Ok(Schedule(Form::Linear { beta0, beta1, horizon }))
    }

    /// `β(t) = β_0^{1−t/T} β_1^{t/T}` up to the horizon `T`, then `β_1`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `β_0`, `β_1` or the horizon not positive and finite.
    pub fn geometric(beta0: f64, beta1: f64, horizon: f64) -> Result<Self> {
        require(beta0 > 0.0, "beta0", beta0, "finite and positive")?;
        require(beta1 > 0.0, "beta1", beta1, "finite and positive")?;
        require(horizon > 0.0, "horizon", horizon, "finite and positive")?;
        Ok(Schedule(Form::Geometric { beta0, beta1, horizon }))
    }

    /// Any `β(t)` with its integral `τ(t) = ∫_0^t β`, both given; that they belong together is the user's to
    /// see to.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `τ(0)` is not zero.
    pub fn user(
        beta: impl Fn(f64) -> f64 + Send + Sync + 'static,
        integral: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        require(integral(0.0) == 0.0, "integral of beta at 0", integral(0.0), "zero")?;
        Ok(Schedule(Form::User { beta: Arc::new(beta), integral: Arc::new(integral) }))
    }

    /// `β(t)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a time that is negative or NaN, or a user's `β(t)` that is negative or not
    /// finite.
    pub fn rate(&self, t: f64) -> Result<f64> {
        check_time("t", t)?;
        Ok(match &self.0 {
            Form::User { beta, .. } => {
                let value = beta(t);
                require(value >= 0.0, "beta(t)", value, "finite and not negative")?;
                value
            }
            form => form.rate(t),
        })
    }

    /// `τ(t) = ∫_0^t β`.
    ///
    /// # Errors
    /// As [`Schedule::elapsed`].
    pub fn integral(&self, t: f64) -> Result<f64> {
        self.elapsed(0.0, t)
    }

    /// `∫_s^t β`, dimensionless; `t = ∞` gives ∞ or, where `β` vanishes at late times, what was collected
    /// before.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a time that is negative or NaN or `s` infinite, or for a user's integral that
    /// is NaN or decreases; [`Error::TimeOrder`] for `s > t`.
    pub fn elapsed(&self, s: f64, t: f64) -> Result<f64> {
        check_time("s", s)?;
        check_time("t", t)?;
        require(s < f64::INFINITY, "s", s, "a finite time")?;
        if s > t {
            return Err(Error::TimeOrder { s, t });
        }
        match &self.0 {
            Form::User { integral, .. } => {
                let elapsed = if s == t { 0.0 } else { integral(t) - integral(s) };
                let ok = elapsed >= 0.0;
                if ok { Ok(elapsed) } else { Err(Error::parameter("integral of beta", elapsed, "increasing in time")) }
            }
            form => {
                let bend = form.horizon().clamp(s, t);
                Ok(form.elapsed_before_horizon(s, bend) + product(form.late_rate(), t - bend))
            }
        }
    }

    /// The time in `[s, until]` at which `∫_s^t β` reaches `elapsed`: the inverse of [`Schedule::elapsed`] in
    /// its second argument; by bisection for user-given schedules.
    ///
    /// # Errors
    /// As [`Schedule::elapsed`]; [`Error::Parameter`] for `elapsed` negative, NaN or not reached by `until`.
    pub fn time_after(&self, s: f64, elapsed: f64, until: f64) -> Result<f64> {
        let total = self.elapsed(s, until)?;
        if !(0.0..=total).contains(&elapsed) {
            return Err(Error::parameter(
                "elapsed",
                elapsed,
                "between zero and the integral of beta over the interval",
            ));
        }
        if elapsed == 0.0 {
            return Ok(s);
        }
        match &self.0 {
            Form::User { .. } => self.bisect(s, elapsed, until),
            form => {
                let bend = form.horizon().clamp(s, until);
                let early = form.elapsed_before_horizon(s, bend);
                let t = match elapsed <= early {
                    true => s + form.time_before_horizon(s, elapsed),
                    false => bend + (elapsed - early) / form.late_rate(),
                };
                Ok(t.min(until))
            }
        }
    }

    /// Bisection to neighbouring floating-point numbers.
    fn bisect(&self, s: f64, elapsed: f64, until: f64) -> Result<f64> {
        let (mut low, mut high) = (s, until);
        if high == f64::INFINITY {
            high = s.max(1.0);
            while self.elapsed(s, high)? < elapsed {
                high *= 2.0;
            }
        }
        loop {
            let middle = low + 0.5 * (high - low);
            if middle <= low || middle >= high {
                return Ok(high);
            }
            if self.elapsed(s, middle)? < elapsed {
                low = middle;
            } else {
                high = middle;
            }
        }
    }
}

/// The built-in forms; `User` is dealt with by its closures before these are called.
impl Form {
    /// Time after which `β` is constant.
    fn horizon(&self) -> f64 {
        match self {
            Form::Linear { horizon, .. } | Form::Geometric { horizon, .. } => *horizon,
            Form::Constant { .. } | Form::User { .. } => 0.0,
        }
    }

    /// `β` after the horizon.
    fn late_rate(&self) -> f64 {
        match self {
            Form::Constant { beta } => *beta,
            Form::Linear { beta1, .. } | Form::Geometric { beta1, .. } => *beta1,
            Form::User { .. } => unreachable!("user schedules are evaluated by their closures"),
        }
    }

    fn rate(&self, t: f64) -> f64 {
        if t >= self.horizon() {
            return self.late_rate();
        }
        match self {
            Form::Linear { beta0, beta1, horizon } => beta0 * (1.0 - t / horizon) + beta1 * (t / horizon),
            Form::Geometric { beta0, horizon, .. } => beta0 * (self.slope() * t / horizon).exp(),
            _ => self.late_rate(),
        }
    }

    /// `(β_1 − β_0)` for linear, `ln(β_1/β_0)` for geometric schedules: the slope in units of the horizon.
    fn slope(&self) -> f64 {
        match self {
            Form::Linear { beta0, beta1, .. } => beta1 - beta0,
            Form::Geometric { beta0, beta1, .. } => beta1.ln() - beta0.ln(),
            _ => 0.0,
        }
    }

    /// `∫_s^t β` for `s ≤ t ≤ horizon` (zero for `s = t`).
    fn elapsed_before_horizon(&self, s: f64, t: f64) -> f64 {
        if s == t {
            return 0.0;
        }
        match self {
            Form::Linear { .. } => 0.5 * (t - s) * (self.rate(s) + self.rate(t)),
            _ => {
                let x = self.slope() * (t - s) / self.horizon();
                self.rate(s) * (t - s) * if x == 0.0 { 1.0 } else { x.exp_m1() / x }
            }
        }
    }

    /// Time after `s`, before the horizon, in which `∫β` reaches `elapsed > 0`.
    fn time_before_horizon(&self, s: f64, elapsed: f64) -> f64 {
        let (rate, slope) = (self.rate(s), self.slope() / self.horizon());
        match self {
            // The root of slope·x²/2 + rate·x = elapsed in the form without cancellation.
            Form::Linear { .. } => 2.0 * elapsed / (rate + (rate * rate + 2.0 * slope * elapsed).max(0.0).sqrt()),
            _ if slope == 0.0 => elapsed / rate,
            _ => (slope * elapsed / rate).ln_1p() / slope,
        }
    }
}
