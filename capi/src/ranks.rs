//! Processes of the caller's that work on the same chains: an all-gather of equal counts is all they need.

use std::ffi::{c_double, c_int, c_void};

use tensorjump::ranks::{Alone, Ranks};
use tensorjump::{Error, Result};

use super::buffers::list;
use super::status::{Failure, refused};

/// A caller's function, one `MPI_Allgather`: every rank calls it with the same `n` and its own `mine[n]`, and
/// gets the numbers of all ranks in `all[size*n]`, rank by rank, with their bits as they are. Returns 0;
/// another number ends the call that asked with `TJ_CALLBACK`. It is called on the thread that made that call
/// (in a forked child on another), and must not throw or jump out.
pub type tj_all_gather =
    Option<unsafe extern "C" fn(context: *mut c_void, mine: *const c_double, n: usize, all: *mut c_double) -> c_int>;

/// The processes that share out one piece of work, as an MPI communicator has them; `docs/ranks.md`. The
/// struct and what `context` points to are the caller's, needed during a call only.
///
/// Functions over ranks are collective: all ranks make the same calls with the same arguments, and all have
/// the whole result, bit for bit that of one process. A NULL pointer to a `tj_ranks` is one process.
///
/// Where one rank fails it gets its own error and the others `TJ_RANK`: nobody waits for ever. Three failures
/// the others cannot be told of: a `tj_ranks` that is refused, an `all_gather` that returns another number
/// than 0, `TJ_PANIC`. After these end all processes (`MPI_Abort`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tj_ranks {
    /// What `all_gather` is called with; may be NULL.
    pub context: *mut c_void,
    /// Number of this process, `0 ≤ rank < size`.
    pub rank: usize,
    /// Number of processes.
    pub size: usize,
    /// Gathers equal counts of numbers.
    pub all_gather: tj_all_gather,
}

/// A caller's [`tj_ranks`] that is in order.
struct Communicator {
    ranks: tj_ranks,
    f: unsafe extern "C" fn(*mut c_void, *const c_double, usize, *mut c_double) -> c_int,
}

const NAME: &str = "the caller's all-gather";

/// Numbers of all ranks in one gather: 8 GiB. Counts above it are those of a communicator that is broken.
const LIMIT: usize = 1 << 30;

impl Communicator {
    /// `n` numbers of each rank, rank by rank: the same `n` on all of them, `mine` padded by zeros.
    fn gather(&self, mine: &[f64], n: usize) -> Result<Vec<f64>> {
        let total = n.saturating_mul(self.ranks.size);
        if total > LIMIT {
            return Err(Error::TooLarge { what: "numbers of an all-gather", size: total, limit: LIMIT });
        }
        let mut mine = mine.to_vec();
        mine.resize(n, 0.0);
        // What a function forgets to write is no count and no end of a message.
        let mut all = vec![f64::NAN; total];
        // SAFETY: both buffers have the sizes that the contract of `tj_all_gather` names.
        match unsafe { (self.f)(self.ranks.context, mine.as_ptr(), n, all.as_mut_ptr()) } {
            0 => {}
            status => return Err(Error::callable(NAME, format!("it returned {status}"))),
        }
        let own = &all[n * self.ranks.rank..][..n];
        if own.iter().map(|v| v.to_bits()).ne(mine.iter().map(|v| v.to_bits())) {
            return Err(Error::callable(NAME, format!("rank {} does not find what it sent", self.ranks.rank)));
        }
        Ok(all)
    }
}

impl Ranks for Communicator {
    fn rank(&self) -> usize {
        self.ranks.rank
    }

    fn size(&self) -> usize {
        self.ranks.size
    }

    /// Counts first, then numbers padded to the largest count.
    fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>> {
        let count = |(rank, n): (usize, f64)| {
            let whole = n >= 0.0 && n.fract() == 0.0 && n <= (1u64 << 53) as f64;
            let text = || format!("rank {rank} sends {n} numbers");
            if whole { Ok(n as usize) } else { Err(Error::callable(NAME, text())) }
        };
        let counts = self.gather(&[mine.len() as f64], 1)?.into_iter().enumerate().map(count);
        let counts = counts.collect::<Result<Vec<usize>>>()?;
        let most = counts.iter().copied().max().unwrap_or(0);
        if most == 0 {
            return Ok(vec![Vec::new(); counts.len()]);
        }
        let all = self.gather(mine, most)?;
        Ok(all.chunks_exact(most).zip(&counts).map(|(numbers, &n)| numbers[..n].to_vec()).collect())
    }
}

/// The caller's ranks; NULL is one process.
///
/// # Safety
/// `p` is NULL or points to a `tj_ranks` whose function keeps the contract of `tj_all_gather`.
pub(super) unsafe fn ranks(p: *const tj_ranks) -> std::result::Result<Box<dyn Ranks>, Failure> {
    if p.is_null() {
        return Ok(Box::new(Alone));
    }
    // SAFETY: the caller's contract.
    let ranks = unsafe { list(p, 1, "ranks") }?[0];
    let f = ranks.all_gather.ok_or(Failure::Null("all_gather"))?;
    if ranks.rank >= ranks.size {
        let value = format!("{} of {}", ranks.rank, ranks.size);
        return Err(refused("rank", value, "below the number of ranks"));
    }
    Ok(Box::new(Communicator { ranks, f }))
}

/// Arguments of a collective call, once every rank has some and `named` says the same of them everywhere: a
/// rank whose arguments are refused tells the others, which would wait for it.
pub(super) fn agreed<A>(
    ranks: &dyn Ranks,
    mine: std::result::Result<A, Failure>,
    named: impl FnOnce(&A) -> Vec<u64>,
) -> std::result::Result<A, Failure> {
    // Halves are exact; the list of a rank that fails is empty.
    let halves = |number: u64| [(number >> 32) as f64, f64::from(number as u32)];
    let numbers: Vec<f64> = match &mine {
        Ok(arguments) => [1.0].into_iter().chain(named(arguments).into_iter().flat_map(halves)).collect(),
        Err(_) => Vec::new(),
    };
    let all = ranks.all_gather(&numbers);
    let (mine, all) = (mine?, all?);
    if let Some(rank) = all.iter().position(Vec::is_empty) {
        return Err(Error::Rank { rank }.into());
    }
    match all.iter().position(|numbers| *numbers != all[0]) {
        Some(rank) => Err(refused("arguments", format!("others on rank {rank}"), "the same on every rank")),
        None => Ok(mine),
    }
}
