//! Windows of many configurations, a lane each.

use std::sync::Arc;

use rand::RngExt;
use rayon::prelude::*;

use super::answer::in_lanes;
use super::contract::contract;
use super::factors::Spin;
use super::numbers::WIDTH;
use super::room::{Room, Rooms};
use super::walk::{draw, score};
use crate::lattice::square::odds::{Odds, fits};
use crate::lattice::square::rectangle::Rectangle;
use crate::mcmc::Proposed;
use crate::rng::Streams;

/// A window of a configuration that is to be redrawn, with row 0 of its streams.
pub(crate) struct Window<'a> {
    pub rectangle: Rectangle,
    pub x: &'a [u8],
    pub streams: Streams,
}

/// What came of a window.
pub(crate) enum Redraw {
    /// States to be set, by site.
    Accepted(Vec<(usize, u8)>),
    Rejected,
    /// Neither: not a window for lanes, or one that single precision does not hold.
    Left,
}

/// The weights of a window in its lane.
struct Laid {
    sites: Vec<usize>,
    log_odds: Vec<f64>,
    odds: Vec<f32>,
    old: Vec<u8>,
}

/// How windows are redrawn in lanes: see [`InLanes`](super::InLanes).
#[derive(Debug, Clone)]
pub(crate) struct WindowsInLanes {
    pub odds: Arc<Odds>,
    pub redraw: for<'o, 'a, 'w> fn(&'o Odds, &'a [Window<'w>], usize) -> Vec<Redraw>,
}

impl WindowsInLanes {
    pub(crate) fn new(odds: Odds) -> Self {
        WindowsInLanes { odds: Arc::new(odds), redraw: |odds, windows, chi| odds.redraw(windows, chi) }
    }
}

impl Odds {
    /// Redraws windows, in parallel over groups of sixteen of one shape. Each depends on its own
    /// configuration and streams only.
    fn redraw(&self, windows: &[Window<'_>], chi: usize) -> Vec<Redraw> {
        match chi {
            1 => self.with_bond::<1>(windows),
            2 => self.with_bond::<2>(windows),
            4 => self.with_bond::<4>(windows),
            8 => self.with_bond::<8>(windows),
            _ => windows.iter().map(|_| Redraw::Left).collect(),
        }
    }

    fn with_bond<const X: usize>(&self, windows: &[Window<'_>]) -> Vec<Redraw> {
        let shape = |i: usize| (windows[i].rectangle.rows, windows[i].rectangle.cols);
        let mut order: Vec<usize> = (0..windows.len()).collect();
        order.sort_by_key(|&i| shape(i));
        let shapes = order.chunk_by(|&a, &b| shape(a) == shape(b));
        let groups: Vec<&[usize]> = shapes.flat_map(|same| same.chunks(WIDTH)).collect();
        let rooms = Rooms::new();
        let each = |group: &&[usize]| {
            let lanes: Vec<&Window<'_>> = group.iter().map(|&i| &windows[i]).collect();
            rooms.with(|| None, |room| self.group::<X>(room, &lanes))
        };
        let redrawn: Vec<Vec<Redraw>> = groups.par_iter().map(each).collect();
        let mut out: Vec<Redraw> = windows.iter().map(|_| Redraw::Left).collect();
        for (&i, redrawn) in groups.into_iter().flatten().zip(redrawn.into_iter().flatten()) {
            out[i] = redrawn;
        }
        out
    }

    /// Windows of one shape; those that do not fit leave their lanes to another.
    fn group<const X: usize>(
        &self,
        room: &mut Option<Room<Spin<false>, 2, X>>,
        windows: &[&Window<'_>],
    ) -> Vec<Redraw> {
        let laid: Vec<Option<Laid>> = windows.iter().map(|window| self.lay(window, X)).collect();
        let Some(first) = laid.iter().position(Option::is_some) else {
            return windows.iter().map(|_| Redraw::Left).collect();
        };
        let Rectangle { rows, cols, .. } = windows[first].rectangle;
        let room = match room {
            Some(room) if (room.rows, room.cols) == (rows, cols) => room,
            room => room.insert(Room::new(rows, cols, false)),
        };
        for i in 0..WIDTH {
            let Some(lane) = laid.get(i).and_then(Option::as_ref).or(laid[first].as_ref()) else { continue };
            for k in 0..lane.sites.len() {
                room.sites[k].site.0[i] = lane.odds[k];
                room.old[k].0[i] = lane.old[k].into();
                if k % cols > 0 {
                    room.sites[k].left.0[i] = self.right[lane.sites[k - 1]];
                }
                if k >= cols {
                    room.sites[k].above.0[i] = self.below[lane.sites[k - cols]];
                }
            }
        }
        contract(room);
        let new = draw(room, |i| windows.get(i).unwrap_or(&windows[first]).streams.domain("model").stream(0));
        let old = score(room);
        let one = |(i, (window, laid)): (usize, (&&Window<'_>, &Option<Laid>))| {
            let Some(lane) = laid.as_ref().filter(|_| !room.lost[i]) else { return Redraw::Left };
            let states: Vec<u8> = room.new.iter().map(|state| state.0[i] as u8).collect();
            let log_ratio = self.log_ratio(&lane.sites, cols, &lane.log_odds, &states, &lane.old);
            let p = Proposed::acceptance_probability(0.0, log_ratio, old[i] - new[i]);
            if window.streams.domain("accept").stream(0).random::<f64>() < p {
                Redraw::Accepted(lane.sites.iter().copied().zip(states).collect())
            } else {
                Redraw::Rejected
            }
        };
        windows.iter().zip(&laid).enumerate().map(one).collect()
    }

    /// The window as a model, if its lattice is open and its odds are within range.
    fn lay(&self, window: &Window<'_>, chi: usize) -> Option<Laid> {
        let (lattice, Rectangle { rows, cols, .. }) = (self.lattice(), window.rectangle);
        let sites = window.rectangle.sites(lattice).ok()?;
        let ring = lattice.wraps_rows() && rows == lattice.rows() || lattice.wraps_cols() && cols == lattice.cols();
        let fitting = window.x.len() == lattice.sites() && window.x.iter().all(|&a| a < 2);
        if ring || !fitting || !in_lanes(sites.len(), 2, chi) {
            return None;
        }
        let (mut log_odds, mut odds) = (Vec::with_capacity(sites.len()), Vec::with_capacity(sites.len()));
        for (k, &site) in sites.iter().enumerate() {
            let (r, c) = (k / cols, k % cols);
            let edges = [c + 1 == cols, c == 0, r + 1 == rows, r == 0];
            let log = self.frozen(site, edges, window.x);
            log_odds.push(log);
            odds.push(if edges.contains(&true) { log.exp() as f32 } else { self.sites[site] });
        }
        let old = sites.iter().map(|&site| window.x[site]).collect();
        odds.iter().all(|&odds| fits(odds)).then_some(Laid { sites, log_odds, odds, old })
    }
}
