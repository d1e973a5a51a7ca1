//! The grid over β and χ (written later).
use std::path::Path;
use super::learn::Budget;
use crate::common::Failure;
pub fn run(_out: &Path, _budget: &Budget) -> Result<(), Failure> { Ok(()) }
